//! The root user and its access key: from the configuration, which wins, or made once and kept sealed.

use std::path::Path;

use subtle::ConstantTimeEq;

use super::access_keys::{Origin, Secrets};
use super::error::StartError;
use crate::base::{Clock, PrincipalId, SecretText, random};
use crate::config::RootCredential;
use crate::store::{AccessKeyRow, AccessKeyStatus, PrincipalKind, PrincipalRow, Store, StoreError};

/// The root user's name, S3's DisplayName.
const ROOT_NAME: &str = "root";

/// The credential that works for the root user.
pub struct ShownCredential {
    /// The public half.
    pub access_key_id: String,
    /// The secret half, where we made it; one that was given is not shown.
    pub secret: Option<SecretText>,
}

/// Makes the root user where it is missing, and sees to its access key.
pub(super) async fn settle(
    configured: &RootCredential,
    store: &Store,
    secrets: &Secrets,
    state: &Path,
    clock: &Clock,
) -> Result<ShownCredential, StartError> {
    let settling = Settling { store, secrets, state, clock, root: root(store, clock).await? };
    match configured {
        RootCredential::Given { access_key_id, secret } => settling.given(access_key_id, secret).await,
        RootCredential::Generated => settling.generated().await,
    }
}

async fn root(store: &Store, clock: &Clock) -> Result<PrincipalId, StoreError> {
    if let Some(found) = store.principal_by_name(ROOT_NAME).await? {
        return Ok(found.id);
    }
    let id = PrincipalId::generate();
    let row = PrincipalRow { id, name: ROOT_NAME.to_owned(), kind: PrincipalKind::Root, created: clock.now() };
    store.insert_principal(row).await?;
    Ok(id)
}

struct Settling<'a> {
    store: &'a Store,
    secrets: &'a Secrets,
    state: &'a Path,
    clock: &'a Clock,
    root: PrincipalId,
}

impl Settling<'_> {
    /// The configuration wins over the database: another secret, or a key that was switched off, is replaced, and a
    /// key that an earlier configuration named stops working: whoever replaces a leaked key expects no less.
    async fn given(&self, access_key_id: &str, secret: &SecretText) -> Result<ShownCredential, StartError> {
        for row in self.store.access_keys_of(self.root).await? {
            let is_named = row.access_key_id == access_key_id;
            if !is_named && row.status == AccessKeyStatus::Active && self.open(&row)?.0 == Origin::Configured {
                tracing::warn!(access_key_id = row.access_key_id, "no longer configured for root; switched off");
                self.store.set_access_key_status(&row.access_key_id, AccessKeyStatus::Inactive).await?;
            }
        }
        let shown = ShownCredential { access_key_id: access_key_id.to_owned(), secret: None };
        if let Some(row) = self.store.access_key(access_key_id).await? {
            if row.principal != self.root {
                return Err(StartError::RootKeyTaken(access_key_id.to_owned()));
            }
            let (origin, stored) = self.open(&row)?;
            let same: bool = stored.expose().as_bytes().ct_eq(secret.expose().as_bytes()).into();
            if same && origin == Origin::Configured && row.status == AccessKeyStatus::Active {
                return Ok(shown);
            }
            self.store.delete_access_key(access_key_id).await?;
        }
        self.insert(access_key_id, Origin::Configured, secret).await?;
        Ok(shown)
    }

    async fn generated(&self) -> Result<ShownCredential, StartError> {
        for row in self.store.access_keys_of(self.root).await? {
            if let (Origin::Generated, secret) = self.open(&row)?
                && row.status == AccessKeyStatus::Active
            {
                return Ok(ShownCredential { access_key_id: row.access_key_id, secret: Some(secret) });
            }
        }
        let access_key_id = format!("CK{}", hex::encode_upper(random::bytes::<9>()));
        let secret = SecretText::new(hex::encode(random::bytes::<20>()));
        self.insert(&access_key_id, Origin::Generated, &secret).await?;
        Ok(ShownCredential { access_key_id, secret: Some(secret) })
    }

    fn open(&self, row: &AccessKeyRow) -> Result<(Origin, SecretText), StartError> {
        let damaged =
            |_| StartError::AccessKeyDamaged { access_key_id: row.access_key_id.clone(), state: self.state.to_owned() };
        self.secrets.open(&row.access_key_id, &row.sealed_secret).map_err(damaged)
    }

    async fn insert(&self, access_key_id: &str, origin: Origin, secret: &SecretText) -> Result<(), StoreError> {
        let row = AccessKeyRow {
            access_key_id: access_key_id.to_owned(),
            principal: self.root,
            sealed_secret: self.secrets.seal(access_key_id, origin, secret),
            status: AccessKeyStatus::Active,
            created: self.clock.now(),
        };
        self.store.insert_access_key(row).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::keys::StateKey;
    use crate::keys::doubles::MemoryKeyring;

    /// A fresh database with its state key.
    pub(in crate::app) async fn deployment() -> (TempDir, Store, Secrets, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.db");
        let store = Store::open(&format!("sqlite:{}", state.display())).await.unwrap();
        let (state_key, _) = StateKey::create(&MemoryKeyring::new("k"), &[1; 16]).await.unwrap();
        (dir, store, Secrets::new(state_key), state)
    }

    fn given(id: &str, secret: &str) -> RootCredential {
        RootCredential::Given { access_key_id: id.to_owned(), secret: SecretText::new(secret.to_owned()) }
    }

    async fn stored(store: &Store, secrets: &Secrets, id: &str) -> Option<(AccessKeyStatus, String)> {
        let row = store.access_key(id).await.unwrap()?;
        let (_, secret) = secrets.open(id, &row.sealed_secret).unwrap();
        Some((row.status, secret.expose().to_owned()))
    }

    #[tokio::test]
    async fn generated_once_and_shown_again() {
        let (_dir, store, secrets, state) = deployment().await;
        let clock = Clock::System;
        let first = settle(&RootCredential::Generated, &store, &secrets, &state, &clock).await.unwrap();
        let again = settle(&RootCredential::Generated, &store, &secrets, &state, &clock).await.unwrap();
        let secret = first.secret.unwrap();
        assert_eq!(secret.expose().len(), 40);
        assert_eq!((first.access_key_id, secret.expose()), (again.access_key_id, again.secret.unwrap().expose()));
    }

    #[tokio::test]
    async fn configuration_wins_over_the_database() {
        let (_dir, store, secrets, state) = deployment().await;
        let clock = Clock::System;
        let settled = async |root| settle(&root, &store, &secrets, &state, &clock).await;
        assert!(settled(given("AKROOT", "the first")).await.unwrap().secret.is_none(), "a given secret is not shown");
        settled(given("AKROOT", "the second")).await.unwrap();
        let expected = Some((AccessKeyStatus::Active, "the second".to_owned()));
        assert_eq!(stored(&store, &secrets, "AKROOT").await, expected);
        store.set_access_key_status("AKROOT", AccessKeyStatus::Inactive).await.unwrap();
        settled(given("AKROOT", "the second")).await.unwrap();
        assert_eq!(stored(&store, &secrets, "AKROOT").await, expected);
        // Another id takes the place of the one that was configured before.
        settled(given("AKOTHER", "the second")).await.unwrap();
        let (status, _) = stored(&store, &secrets, "AKROOT").await.unwrap();
        assert_eq!(status, AccessKeyStatus::Inactive);
        let owners = [store.access_key("AKROOT").await, store.access_key("AKOTHER").await];
        let [one, other] = owners.map(|row| row.unwrap().unwrap().principal);
        assert_eq!(one, other);
        // Without the configuration a key of our own is made: the given ones are not ours to show.
        let shown = settled(RootCredential::Generated).await.unwrap();
        assert!(shown.access_key_id.starts_with("CK") && shown.secret.is_some());
        // It is a second key of the root user, and goes on working beside a given one.
        settled(given("AKOTHER", "the third")).await.unwrap();
        let (status, _) = stored(&store, &secrets, &shown.access_key_id).await.unwrap();
        assert_eq!(status, AccessKeyStatus::Active);
    }

    #[tokio::test]
    async fn key_of_another_user_is_not_taken_over() {
        let (_dir, store, secrets, state) = deployment().await;
        let (principal, created) = (PrincipalId::generate(), Clock::System.now());
        let row = PrincipalRow { id: principal, name: "alice".to_owned(), kind: PrincipalKind::User, created };
        store.insert_principal(row).await.unwrap();
        let sealed_secret = secrets.seal("AKALICE", Origin::Configured, &SecretText::new("hers".to_owned()));
        let (access_key_id, status) = ("AKALICE".to_owned(), AccessKeyStatus::Active);
        store
            .insert_access_key(AccessKeyRow { access_key_id, principal, sealed_secret, status, created })
            .await
            .unwrap();
        let refused = settle(&given("AKALICE", "not hers"), &store, &secrets, &state, &Clock::System).await;
        assert!(matches!(refused, Err(StartError::RootKeyTaken(_))));
        assert_eq!(stored(&store, &secrets, "AKALICE").await, Some((status, "hers".to_owned())));
    }

    #[tokio::test]
    async fn damaged_secret_stops_the_start() {
        let (_dir, store, secrets, state) = deployment().await;
        settle(&given("AKROOT", "a secret"), &store, &secrets, &state, &Clock::System).await.unwrap();
        let mut row = store.access_key("AKROOT").await.unwrap().unwrap();
        store.delete_access_key("AKROOT").await.unwrap();
        row.sealed_secret[30] ^= 1;
        store.insert_access_key(row).await.unwrap();
        let refused = settle(&given("AKROOT", "a secret"), &store, &secrets, &state, &Clock::System).await;
        assert!(matches!(refused, Err(StartError::AccessKeyDamaged { .. })));
    }
}
