//! The authenticator over a store of keys that a test holds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;

use super::{
    AccessKey, AccessKeyStatus, AccessKeys, AccessKeysUnavailable, Authenticated, Authenticator, AuthnFault,
    CredentialLocation, Principal, PrincipalKind, RegionPolicy,
};
use crate::base::{Clock, PrincipalId, SecretText};
use crate::sigv4::SigV4Fault;
use crate::sigv4::testing::{ACCESS_KEY_ID, Client, NOW, SECRET};

/// One key, or none, or a store that does not answer; counts how often it is asked.
struct Store {
    key: Mutex<Result<Option<AccessKey>, ()>>,
    asked: AtomicUsize,
}

#[async_trait]
impl AccessKeys for Store {
    async fn find(&self, access_key_id: &str) -> Result<Option<AccessKey>, AccessKeysUnavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let key = self.key.lock().expect("not poisoned").clone();
        key.map(|key| key.filter(|_| access_key_id == ACCESS_KEY_ID))
            .map_err(|()| AccessKeysUnavailable("the store is down".into()))
    }
}

fn principal() -> Principal {
    Principal { id: PrincipalId::from_bytes([7; 16]), name: "root".into(), kind: PrincipalKind::Root }
}

fn key(secret: &str, status: AccessKeyStatus) -> AccessKey {
    AccessKey { principal: principal(), secret: Arc::new(SecretText::new(secret.to_owned())), status }
}

fn setup(key: Result<Option<AccessKey>, ()>) -> (Arc<Store>, Authenticator, Clock) {
    let store = Arc::new(Store { key: Mutex::new(key), asked: AtomicUsize::new(0) });
    let clock = Clock::manual(NOW);
    (Arc::clone(&store), Authenticator::new(store, RegionPolicy::Any, clock.clone()), clock)
}

fn get(client: &Client, location: CredentialLocation) -> Parts {
    client.request(location, "GET", "/bucket/key", &[], "UNSIGNED-PAYLOAD")
}

const BOTH: [CredentialLocation; 2] = [CredentialLocation::Header, CredentialLocation::Query];

#[tokio::test]
async fn signed_request_is_its_senders() {
    let (_, authenticator, _) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Active))));
    for location in BOTH {
        // The second time from the cache.
        for _ in 0..2 {
            let found = authenticator.authenticate(&get(&Client::default(), location)).await.expect("authenticated");
            assert_eq!((found.principal(), found.access_key_id()), (&principal(), ACCESS_KEY_ID));
            assert_eq!((found.location(), found.payload().decoded_length()), (location, None));
        }
    }
}

#[tokio::test]
async fn wrong_secret_is_refused_with_a_cold_and_a_warm_cache() {
    let (_, authenticator, _) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Active))));
    let impostor = Client { secret: "another", ..Client::default() };
    for _ in 0..2 {
        for location in BOTH {
            let found = authenticator.authenticate(&get(&impostor, location)).await;
            assert!(matches!(found, Err(AuthnFault::Claim(SigV4Fault::SignatureMismatch(_)))));
            assert!(authenticator.authenticate(&get(&Client::default(), location)).await.is_ok());
        }
    }
}

/// A remembered signing key must not outlive the secret it came from.
#[tokio::test]
async fn changed_secret_takes_effect_at_once() {
    let (store, authenticator, _) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Active))));
    let old = Client::default();
    assert!(authenticator.authenticate(&get(&old, CredentialLocation::Header)).await.is_ok());
    *store.key.lock().expect("not poisoned") = Ok(Some(key("changed", AccessKeyStatus::Active)));
    assert!(authenticator.authenticate(&get(&old, CredentialLocation::Header)).await.is_err());
    let new = Client { secret: "changed", ..Client::default() };
    assert!(authenticator.authenticate(&get(&new, CredentialLocation::Header)).await.is_ok());
}

#[tokio::test]
async fn inactive_and_unknown_keys_look_alike() {
    let (_, authenticator, _) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Inactive))));
    let unknown = Client { access_key_id: "AKIAUNKNOWN", ..Client::default() };
    for client in [Client::default(), unknown] {
        for location in BOTH {
            let found = authenticator.authenticate(&get(&client, location)).await;
            assert!(matches!(found, Err(AuthnFault::InvalidAccessKeyId { access_key_id })
                if access_key_id == client.access_key_id));
        }
    }
}

#[tokio::test]
async fn key_switched_off_is_refused_at_once() {
    let (store, authenticator, _) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Active))));
    let request = get(&Client::default(), CredentialLocation::Header);
    assert!(authenticator.authenticate(&request).await.is_ok());
    *store.key.lock().expect("not poisoned") = Ok(Some(key(SECRET, AccessKeyStatus::Inactive)));
    let found = authenticator.authenticate(&request).await;
    assert!(matches!(found, Err(AuthnFault::InvalidAccessKeyId { .. })));
}

/// A store that does not answer is our fault: never "no such key".
#[tokio::test]
async fn unavailable_keys_are_not_missing_ones() {
    let (_, authenticator, _) = setup(Err(()));
    let found = authenticator.authenticate(&get(&Client::default(), CredentialLocation::Header)).await;
    assert!(matches!(found, Err(AuthnFault::Unavailable(_))));
}

/// Stale, foreign and malformed requests cost no look-up.
#[tokio::test]
async fn what_needs_no_key_is_checked_before_one_is_looked_up() {
    let (store, authenticator, clock) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Active))));
    clock.set(NOW.plus(Duration::from_secs(8 * 24 * 3600)));
    for location in BOTH {
        assert!(authenticator.authenticate(&get(&Client::default(), location)).await.is_err());
    }
    clock.set(NOW);
    let anonymous = http::Request::get("/bucket/key").header("host", "h").body(()).expect("a request").into_parts().0;
    assert!(matches!(authenticator.authenticate(&anonymous).await, Err(AuthnFault::Anonymous)));
    for (authorization, expected) in [
        ("AWS AKID:c2ln", "UnsupportedMechanism"),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", "AsymmetricSignature"),
        ("garbage", "UnparsableAuthorization"),
    ] {
        let mut parts = anonymous.clone();
        parts.headers.insert("authorization", http::HeaderValue::from_static(authorization));
        let found = authenticator.authenticate(&parts).await;
        assert!(matches!(found, Err(AuthnFault::Claim(fault)) if format!("{fault:?}") == expected));
    }
    assert_eq!(store.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn only_verified_keys_are_remembered() {
    let (_, authenticator, _) = setup(Ok(Some(key(SECRET, AccessKeyStatus::Active))));
    for region in ["a", "b", "c"] {
        let impostor = Client { secret: "another", region, ..Client::default() };
        assert!(authenticator.authenticate(&get(&impostor, CredentialLocation::Header)).await.is_err());
    }
    authenticator.expire_idle().await;
    assert_eq!(authenticator.remembered(), 0);
    assert!(authenticator.authenticate(&get(&Client::default(), CredentialLocation::Header)).await.is_ok());
    authenticator.expire_idle().await;
    assert_eq!(authenticator.remembered(), 1);
}

#[test]
fn debug_shows_no_secret() {
    let found = format!("{:?}", Authenticated::for_tests(principal()));
    assert!(found.contains("root") && found.contains("Unsigned"), "{found}");
}
