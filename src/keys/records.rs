//! The port to wherever wrapped bucket keys live; app wires the store (and later the mirror) to it.

use std::time::Duration;

use async_trait::async_trait;

use super::error::KeysError;
use super::keyring::WrappedKey;
use crate::base::{DomainId, KeyId, Timestamp};

/// A wrapped bucket key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketKeyRecord {
    /// Carried in trailers.
    pub key_id: KeyId,
    /// The domain it belongs to.
    pub domain_id: DomainId,
    /// From 1; the highest one of a domain wraps new DEKs.
    pub epoch: u64,
    /// The key, wrapped by the KEK.
    pub wrapped: WrappedKey,
    /// [`super::Keyring::identity`] of the keyring that wrapped it.
    pub keyring: String,
    /// When it was made.
    pub created: Timestamp,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there, and durable.
    Made,
    /// Somebody else made this epoch first: read theirs.
    EpochTaken,
}

/// The records could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RecordsError {
    /// What was seen, for the log.
    pub reason: String,
}

/// Where wrapped bucket keys live.
#[async_trait]
pub trait BucketKeyRecords: Send + Sync + 'static {
    /// The record of a domain's highest epoch.
    async fn current(&self, domain: DomainId) -> Result<Option<BucketKeyRecord>, RecordsError>;
    /// A record by its key id.
    async fn get(&self, key_id: KeyId) -> Result<Option<BucketKeyRecord>, RecordsError>;
    /// Adds a record, durable on return; a domain has each epoch once.
    async fn insert(&self, record: BucketKeyRecord) -> Result<Inserted, RecordsError>;
}

/// When to ask records again that could not be asked: a busy database is free again in a moment.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<RecordsError> for KeysError {
    fn from(error: RecordsError) -> Self {
        Self::Unavailable { reason: error.reason, retry_after: RETRY_AFTER }
    }
}
