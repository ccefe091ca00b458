//! Access keys as the store has them (sealed) and as authn wants them (opened, in memory).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;

use crate::authn::{self, AccessKey, AccessKeys, AccessKeysUnavailable, Principal};
use crate::base::SecretText;
use crate::keys::{KeysError, StateKey};
use crate::store::{self, AccessKeyRow, PrincipalRow, Store, StoreError};

/// A key that was switched off stops working within this, on every proxy (design 6).
const CACHE_TTL: Duration = Duration::from_secs(1);
/// Bounds what strangers with random ids can make us remember.
const CACHE_ENTRIES: u64 = 10_000;

/// Where a secret comes from; kept with it, under the seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the configuration: never shown.
    Configured,
    /// Made by us: shown by `dev` at every start.
    Generated,
}

impl Origin {
    /// What stands before the secret in the sealed row.
    const fn mark(self) -> char {
        match self {
            Self::Configured => 'c',
            Self::Generated => 'g',
        }
    }
}

/// Seals and opens the secrets of access keys, each with its origin.
pub(super) struct Secrets {
    state_key: StateKey,
}

impl Secrets {
    pub(super) const fn new(state_key: StateKey) -> Self {
        Self { state_key }
    }

    pub(super) fn seal(&self, access_key_id: &str, origin: Origin, secret: &SecretText) -> Vec<u8> {
        let marked = SecretText::new(format!("{}{}", origin.mark(), secret.expose()));
        self.state_key.seal_secret(access_key_id, &marked)
    }

    pub(super) fn open(&self, access_key_id: &str, sealed: &[u8]) -> Result<(Origin, SecretText), KeysError> {
        let marked = self.state_key.open_secret(access_key_id, sealed)?;
        [Origin::Configured, Origin::Generated]
            .into_iter()
            .find_map(|origin| Some((origin, SecretText::new(marked.expose().strip_prefix(origin.mark())?.to_owned()))))
            .ok_or(KeysError::Integrity("the origin of an access key"))
    }
}

/// authn's port, over the store.
pub(super) struct StoredAccessKeys {
    store: Store,
    secrets: Arc<Secrets>,
    /// Ids that do not exist are remembered too: every request asks.
    cache: Cache<String, Option<AccessKey>>,
}

impl StoredAccessKeys {
    pub(super) fn new(store: Store, secrets: Arc<Secrets>) -> Self {
        Self { store, secrets, cache: Cache::builder().max_capacity(CACHE_ENTRIES).time_to_live(CACHE_TTL).build() }
    }

    async fn load(&self, access_key_id: &str) -> Result<Option<AccessKey>, LoadError> {
        let Some(row) = self.store.access_key(access_key_id).await? else {
            return Ok(None);
        };
        let Some(principal) = self.store.principal(row.principal).await? else {
            return Ok(None);
        };
        let (_, secret) = self.secrets.open(access_key_id, &row.sealed_secret)?;
        Ok(Some(AccessKey { status: status(&row), principal: who(principal), secret: Arc::new(secret) }))
    }

    /// Drops what has expired, so that an idle process does not keep secrets.
    pub(super) async fn expire_idle(&self) {
        self.cache.run_pending_tasks().await;
    }
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Damaged(#[from] KeysError),
}

#[async_trait]
impl AccessKeys for StoredAccessKeys {
    async fn find(&self, access_key_id: &str) -> Result<Option<AccessKey>, AccessKeysUnavailable> {
        let found = self.cache.try_get_with_by_ref(access_key_id, self.load(access_key_id)).await;
        found.map_err(|error| AccessKeysUnavailable(Box::new(error)))
    }
}

const fn status(row: &AccessKeyRow) -> authn::AccessKeyStatus {
    match row.status {
        store::AccessKeyStatus::Active => authn::AccessKeyStatus::Active,
        store::AccessKeyStatus::Inactive => authn::AccessKeyStatus::Inactive,
    }
}

fn who(row: PrincipalRow) -> Principal {
    let kind = match row.kind {
        store::PrincipalKind::Root => authn::PrincipalKind::Root,
        store::PrincipalKind::User => authn::PrincipalKind::User,
    };
    Principal { id: row.id, name: row.name, kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::root::tests::deployment;
    use crate::base::{PrincipalId, Timestamp};
    use crate::store::PrincipalKind;

    async fn insert(store: &Store, id: &str, sealed_secret: Vec<u8>, status: store::AccessKeyStatus) {
        let principal = PrincipalId::generate();
        let created = Timestamp::from_unix_millis(0);
        let row = PrincipalRow { id: principal, name: id.to_owned(), kind: PrincipalKind::User, created };
        store.insert_principal(row).await.unwrap();
        let access_key_id = id.to_owned();
        store
            .insert_access_key(AccessKeyRow { access_key_id, principal, sealed_secret, status, created })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn keys_are_opened_with_their_owner_and_status() {
        let (_dir, store, secrets, ..) = deployment().await;
        let sealed = secrets.seal("AK1", Origin::Configured, &SecretText::new("a secret".to_owned()));
        insert(&store, "AK1", sealed.clone(), store::AccessKeyStatus::Inactive).await;
        // The same sealed secret in the row of another key: edited by somebody who can write the database.
        insert(&store, "AK2", sealed, store::AccessKeyStatus::Active).await;
        let keys = StoredAccessKeys::new(store, Arc::new(secrets));
        let found = keys.find("AK1").await.unwrap().expect("it is there");
        assert_eq!(found.secret.expose(), "a secret", "without the mark of its origin");
        assert_eq!(
            (found.status, found.principal.kind),
            (authn::AccessKeyStatus::Inactive, authn::PrincipalKind::User)
        );
        assert!(keys.find("AK2").await.is_err(), "moved to another row it does not open");
        assert!(keys.find("nobody").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn store_that_does_not_answer_is_not_an_unknown_key() {
        let (_dir, store, secrets, ..) = deployment().await;
        store.close().await;
        assert!(StoredAccessKeys::new(store, Arc::new(secrets)).find("AK1").await.is_err());
    }
}
