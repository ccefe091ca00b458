//! Several upstreams behind one proxy.

use std::collections::HashMap;
use std::sync::Arc;

use tempfile::TempDir;

use super::copies::copy_between;
use super::{Body, internal_bucket, new_object, owner, stand_on, watched};
use crate::base::{BucketName, ChecksumAlgorithm, Clock, ObjectKey};
use crate::objects::{
    BucketPolicies, ClaimError, CreateUpload, ObjectError, ObjectFacts, Objects, PartChecksum, Place, PutObject,
    UploadPart, Upstreams, WriteGuard,
};
use crate::store::BucketRow;
use crate::upstream::watched::Watched;
use crate::upstream::{ListRequest, ObjectRef, Upstream};

/// `near` is at the default upstream, `far` at another one.
struct Two {
    objects: Objects,
    at_default: Arc<Watched>,
    at_other: Arc<Watched>,
    near: BucketRow,
    far: BucketRow,
    clock: Clock,
    dir: TempDir,
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("a name")
}

fn place(name: &str, upstream: &Arc<Watched>, internal_bucket: BucketName) -> Place {
    let place = Place::new(name, upstream.clone(), internal_bucket);
    place.open_for_use();
    place
}

impl Two {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(Clock::System.now());
        let at_default = watched(&dir.path().join("default")).await;
        let at_other = watched(&dir.path().join("other")).await;
        at_other.create_bucket(&bucket("its-own-internal")).await.expect("made");
        let upstreams = Upstreams::new(
            [place("default", &at_default, internal_bucket()), place("other", &at_other, bucket("its-own-internal"))],
            HashMap::from([(bucket("far"), "other".to_owned()), (bucket("nowhere"), "gone".to_owned())]),
        );
        let objects = stand_on(dir.path(), &clock, upstreams, BucketPolicies::default()).await;
        let near = objects.create_bucket(&bucket("near"), owner(), "us-east-1").await.expect("made");
        let far = objects.create_bucket(&bucket("far"), owner(), "us-east-1").await.expect("made");
        Self { objects, at_default, at_other, near, far, clock, dir }
    }

    async fn put(&self, bucket: &BucketRow, key: &ObjectKey, plain: &[u8]) {
        let (checksum, guard) = (ChecksumAlgorithm::Crc64Nvme, WriteGuard::None);
        let put = PutObject { bucket, key, plaintext_bytes: plain.len() as u64, object: new_object(), checksum, guard };
        self.objects.put(put, &mut Body::of(plain)).await.expect("stored");
    }

    async fn get(&self, bucket: &BucketRow, key: &ObjectKey) -> Vec<u8> {
        let whole = |facts: &ObjectFacts| ((), Some(0..facts.plaintext_bytes()));
        let opened = self.objects.get(bucket, key, None, whole).await.expect("opens");
        let mut reader = opened.body.expect("a body was asked for");
        let mut plain = Vec::new();
        while let Some(frame) = reader.next().await.expect("readable") {
            plain.extend_from_slice(&frame);
        }
        plain
    }
}

fn key() -> ObjectKey {
    ObjectKey::parse("key").expect("a key")
}

#[tokio::test]
async fn each_bucket_is_at_its_own_upstream() {
    let two = Two::new().await;
    assert_eq!((two.near.upstream.as_str(), two.far.upstream.as_str()), ("default", "other"));
    two.put(&two.near, &key(), b"near").await;
    two.put(&two.far, &key(), b"far").await;
    for (upstream, row, other) in
        [(&two.at_default, &two.near, &two.at_other), (&two.at_other, &two.far, &two.at_default)]
    {
        upstream.head_object(&ObjectRef::current(&row.name, &key())).await.expect("it is there");
        assert!(other.head_bucket(&row.name).await.is_err(), "and nothing of it is at the other one");
    }
    assert_eq!(two.get(&two.near, &key()).await, b"near");
    assert_eq!(two.get(&two.far, &key()).await, b"far");
}

#[tokio::test]
async fn copy_goes_from_one_upstream_to_another() {
    let two = Two::new().await;
    two.put(&two.near, &key(), b"content").await;
    let copied = copy_between(&two.objects, (&two.near, &key()), (&two.far, &key())).await.expect("copied");
    assert_eq!(copied.plaintext_bytes, 7);
    assert_eq!(two.get(&two.far, &key()).await, b"content");
}

/// Held-back parts lie in the internal bucket of the upload's own upstream, and every one of these is swept.
#[tokio::test]
async fn held_back_parts_stay_at_their_upstream() {
    let two = Two::new().await;
    let key = key();
    for bucket in [&two.near, &two.far] {
        let create = CreateUpload { bucket, key: &key, object: new_object(), checksum: None };
        let upload_id = two.objects.create_upload(create).await.expect("begun").upload_id;
        let number = crate::base::PartNumber::new(1).expect("a number");
        let part = UploadPart {
            bucket,
            key: &key,
            upload_id: &upload_id,
            number,
            plaintext_bytes: 4,
            checksum: PartChecksum::Unsent,
        };
        two.objects.upload_part(part, &mut Body::of(b"part")).await.expect("stored");
    }
    let all = ListRequest { max_entries: 10, ..ListRequest::default() };
    let held = |upstream: Arc<Watched>, name: BucketName| {
        let all = all.clone();
        async move { upstream.list_objects(&name, &all).await.expect("lists").objects.len() }
    };
    assert_eq!(held(two.at_default.clone(), internal_bucket()).await, 1);
    assert_eq!(held(two.at_other.clone(), bucket("its-own-internal")).await, 1);
    for row in [&two.near, &two.far] {
        two.objects.inner.store.delete_bucket(row.bucket_id).await.expect("its rows are gone");
    }
    assert_eq!(two.objects.sweep_cut_off().await.expect("swept").held_parts, 2);
}

/// Nobody can have a bucket of a name that is internal anywhere.
#[tokio::test]
async fn internal_buckets_of_every_upstream_are_taken() {
    let two = Two::new().await;
    for name in [internal_bucket(), bucket("its-own-internal")] {
        let refused = two.objects.create_bucket(&name, owner(), "us-east-1").await;
        assert!(matches!(refused, Err(ObjectError::BucketExists { .. })));
        assert!(matches!(two.objects.bucket(&name).await, Err(ObjectError::NoSuchBucket)));
    }
}

/// A bucket whose upstream is gone is unavailable, and never looked for elsewhere.
#[tokio::test]
async fn bucket_of_an_upstream_that_is_gone_is_unavailable() {
    let two = Two::new().await;
    two.put(&two.far, &key(), b"far").await;
    let only = Upstreams::one(two.at_default.clone(), internal_bucket());
    let later = tempfile::tempdir_in(two.dir.path()).expect("a directory");
    let objects = stand_on(later.path(), &two.clock, only, BucketPolicies::default()).await;
    let refused = objects.get(&two.far, &key(), None, |_| ((), None)).await.map(drop);
    let Err(error @ ObjectError::NoSuchUpstream { .. }) = refused else { panic!("refused") };
    assert!(error.to_string().contains("\"other\""), "{error}");
    let nowhere = two.objects.create_bucket(&bucket("nowhere"), owner(), "us-east-1").await;
    assert!(matches!(nowhere, Err(ObjectError::NoSuchUpstream { .. })));
}

/// The sweep removes what its database does not know: in another deployment's bucket that would be what it needs.
#[tokio::test]
async fn internal_bucket_of_another_deployment_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = watched(dir.path()).await;
    let ours = Place::new("default", upstream.clone(), internal_bucket());
    ours.claim(&[1; 16]).await.expect("the first");
    let again = Place::new("again", upstream.clone(), internal_bucket());
    again.claim(&[1; 16]).await.expect("the same deployment, under another name too");
    let theirs = Place::new("default", upstream.clone(), internal_bucket());
    assert!(matches!(theirs.claim(&[2; 16]).await, Err(ClaimError::Taken { .. })));
    assert!(ours.is_open() && again.is_open() && !theirs.is_open());
    let elsewhere = Place::new("default", upstream, bucket("another-internal"));
    elsewhere.claim(&[2; 16]).await.expect("in a bucket of its own, which is made");
}

/// Two that start at once: the upstream decides, and both see the same.
#[tokio::test]
async fn of_two_deployments_that_claim_at_once_one_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = watched(dir.path()).await;
    let places = [1, 2].map(|id| ([id; 16], Place::new("default", upstream.clone(), internal_bucket())));
    let (one, other) = tokio::join!(places[0].1.claim(&places[0].0), places[1].1.claim(&places[1].0));
    assert_ne!(one.is_ok(), other.is_ok());
}

/// Nothing is read, written or swept before it is known whose the place is.
#[tokio::test]
async fn upstream_that_was_not_claimed_is_unavailable() {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = watched(&dir.path().join("objects")).await;
    let place = Place::new("default", upstream.clone(), internal_bucket());
    let upstreams = Upstreams::new([place.clone()], HashMap::new());
    let clock = Clock::manual(Clock::System.now());
    let objects = stand_on(dir.path(), &clock, upstreams, BucketPolicies::default()).await;
    upstream.lose_answer_of("head_bucket");
    let refused = place.claim(&[1; 16]).await.expect_err("it does not answer");
    assert!(refused.is_passing(), "{refused}");
    let refused = objects.create_bucket(&bucket("data"), owner(), "us-east-1").await;
    assert!(matches!(refused, Err(ObjectError::UpstreamUnclaimed { .. })));
    upstream.take_seen();
    objects.sweep().await.expect("nothing to do");
    assert!(upstream.take_seen().is_empty(), "the sweep kept away");
    place.claim(&[1; 16]).await.expect("it answers now");
    objects.create_bucket(&bucket("data"), owner(), "us-east-1").await.expect("made");
}
