//! Deployment, principals, access keys, buckets, bucket keys.

use super::{Place, at, bucket};
use crate::base::{BucketName, DomainId, KeyId, PrincipalId};
use crate::store::{
    AccessKeyRow, AccessKeyStatus, BucketKeyRow, DeploymentRow, PrincipalKind, PrincipalRow, Store, StoreError,
};

fn principal(name: &str) -> PrincipalRow {
    PrincipalRow { id: PrincipalId::generate(), name: name.into(), kind: PrincipalKind::User, created: at(5) }
}

fn access_key(id: &str, owner: &PrincipalRow) -> AccessKeyRow {
    AccessKeyRow {
        access_key_id: id.into(),
        principal: owner.id,
        sealed_secret: b"sealed".to_vec(),
        status: AccessKeyStatus::Active,
        created: at(6),
    }
}

fn bucket_key(domain: DomainId, epoch: u64) -> BucketKeyRow {
    BucketKeyRow {
        key_id: KeyId::generate(),
        domain_id: domain,
        epoch,
        wrap: vec![1; 104],
        version: 1,
        keyring: "local:x".into(),
        created: at(7),
    }
}

#[tokio::test]
async fn one_deployment_only() {
    let place = Place::new();
    let store = place.store().await;
    assert!(store.deployment().await.expect("reads").is_none());
    assert!(store.holds_no_keys().await.expect("reads"));
    let row = DeploymentRow {
        deployment_id: [4; 16],
        keyring: "local:x".into(),
        state_key_version: 1,
        state_key_wrap: vec![9; 104],
        created: at(1),
    };
    store.insert_deployment(row.clone()).await.expect("inserts");
    let second = DeploymentRow { deployment_id: [5; 16], ..row.clone() };
    assert!(matches!(store.insert_deployment(second).await, Err(StoreError::Conflict)));
    assert_eq!(store.deployment().await.expect("reads"), Some(row.clone()));
    assert!(!store.holds_no_keys().await.expect("reads"));

    store.rewrap_state_key(row.state_key_wrap.clone(), 2, vec![8; 104]).await.expect("rewraps");
    let stale = store.rewrap_state_key(row.state_key_wrap, 3, vec![7; 104]).await;
    assert!(matches!(stale, Err(StoreError::Conflict)));
    let now = store.deployment().await.expect("reads").expect("is there");
    assert_eq!((now.state_key_version, now.state_key_wrap), (2, vec![8; 104]));
}

#[tokio::test]
async fn principals_and_their_access_keys() {
    let place = Place::new();
    let store = place.store().await;
    let (ann, bob) = (principal("ann"), principal("bob"));
    for row in [&ann, &bob] {
        store.insert_principal(row.clone()).await.expect("inserts");
    }
    assert!(matches!(store.insert_principal(principal("ann")).await, Err(StoreError::Conflict)));
    assert_eq!(store.principal(ann.id).await.expect("reads"), Some(ann.clone()));
    assert_eq!(store.principal_by_name("bob").await.expect("reads"), Some(bob.clone()));
    assert_eq!(store.principal_by_name("BOB").await.expect("reads"), None);
    assert_eq!(store.root().await.expect("reads"), None);
    let root = PrincipalRow { kind: PrincipalKind::Root, ..principal("root") };
    store.insert_principal(root.clone()).await.expect("inserts");
    assert_eq!(store.root().await.expect("reads"), Some(root));

    for id in ["AK1", "AK2"] {
        store.insert_access_key(access_key(id, &ann)).await.expect("inserts");
    }
    assert!(matches!(store.insert_access_key(access_key("AK1", &bob)).await, Err(StoreError::Conflict)));
    let orphan = store.insert_access_key(access_key("AK3", &principal("nobody"))).await;
    assert!(matches!(orphan, Err(StoreError::NoParent)));
    assert_eq!(store.access_key("AK1").await.expect("reads"), Some(access_key("AK1", &ann)));
    assert_eq!(store.access_key("ak1").await.expect("reads"), None, "S3 compares access key ids exactly");
    assert_eq!(store.access_keys_of(ann.id).await.expect("reads").len(), 2);

    assert!(store.set_access_key_status("AK1", AccessKeyStatus::Inactive).await.expect("writes"));
    let off = store.access_key("AK1").await.expect("reads").expect("is there");
    assert_eq!(off.status, AccessKeyStatus::Inactive);
    assert!(store.delete_access_key("AK1").await.expect("writes"));
    assert!(!store.delete_access_key("AK1").await.expect("writes"));
}

#[tokio::test]
async fn buckets_in_order() {
    let place = Place::new();
    let store = place.store().await;
    let rows = ["b.two", "a-one", "c-three"].map(bucket);
    for row in &rows {
        store.insert_bucket(row.clone()).await.expect("inserts");
    }
    assert!(matches!(store.insert_bucket(bucket("a-one")).await, Err(StoreError::Conflict)));
    let names = |rows: Vec<super::BucketRow>| rows.iter().map(|row| row.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.buckets(None, 10).await.expect("reads")), ["a-one", "b.two", "c-three"]);
    let after = BucketName::parse("a-one").expect("a name");
    assert_eq!(names(store.buckets(Some(&after), 1).await.expect("reads")), ["b.two"]);
    assert_eq!(store.bucket_by_id(rows[2].bucket_id).await.expect("reads"), Some(rows[2].clone()));
    assert!(store.delete_bucket(rows[2].bucket_id).await.expect("writes"));
    assert_eq!(store.bucket(&rows[2].name).await.expect("reads"), None);
}

#[tokio::test]
async fn bucket_keys_by_epoch() {
    let place = Place::new();
    let store = place.store().await;
    let (domain, other) = (DomainId::generate(), DomainId::generate());
    assert!(store.current_bucket_key(domain).await.expect("reads").is_none());
    let keys = [bucket_key(domain, 1), bucket_key(domain, 2), bucket_key(other, 9)];
    for key in &keys {
        store.insert_bucket_key(key.clone()).await.expect("inserts");
    }
    assert_eq!(store.current_bucket_key(domain).await.expect("reads"), Some(keys[1].clone()));
    assert_eq!(store.bucket_key(keys[0].key_id).await.expect("reads"), Some(keys[0].clone()));
    assert!(matches!(store.insert_bucket_key(bucket_key(domain, 2)).await, Err(StoreError::Conflict)));
    assert_eq!(store.bucket_keys_below(2, 10).await.expect("reads").len(), 3);
    store.rewrap_bucket_key(keys[0].key_id, vec![1; 104], 2, vec![2; 104]).await.expect("rewraps");
    assert_eq!(store.bucket_keys_below(2, 10).await.expect("reads").len(), 2);
}

/// Two proxies make the first epoch at once: exactly one row.
#[tokio::test(flavor = "multi_thread")]
async fn two_makers_of_an_epoch() {
    let place = Place::new();
    let (one, two) = (place.store().await, place.store().await);
    let domain = DomainId::generate();
    let make = |store: Store| tokio::spawn(async move { store.insert_bucket_key(bucket_key(domain, 1)).await });
    let makers: Vec<_> = (0..10).map(|at| make(if at % 2 == 0 { one.clone() } else { two.clone() })).collect();
    let mut won = 0;
    for maker in makers {
        match maker.await.expect("no panic") {
            Ok(()) => won += 1,
            Err(StoreError::Conflict) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn debug_shows_no_sealed_bytes() {
    let shown = format!("{:?} {:?}", access_key("AK1", &principal("ann")), bucket_key(DomainId::generate(), 1));
    assert!(!shown.contains("115, 101") && !shown.contains("1, 1, 1"), "{shown}");
}
