//! Doubles for tests: a keyring and records in memory that count, wait and fail on demand.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::keyring::{KeyVersions, Keyring, KeyringError, WrappedKey};
use super::records::{BucketKeyRecord, BucketKeyRecords, Inserted, RecordsError};
use crate::base::{DomainId, Key32, KeyId, random};
use crate::envelope::cobblestone;

/// A keyring in memory.
pub(crate) struct MemoryKeyring {
    identity: String,
    kek: Key32,
    pub(crate) wraps: AtomicU64,
    pub(crate) unwraps: AtomicU64,
    pub(crate) down: AtomicBool,
}

impl MemoryKeyring {
    pub(crate) fn new(identity: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            kek: Key32::generate(),
            wraps: AtomicU64::new(0),
            unwraps: AtomicU64::new(0),
            down: AtomicBool::new(false),
        }
    }

    async fn answer(&self) -> Result<(), KeyringError> {
        // Long enough that concurrent callers meet.
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.down.load(Ordering::SeqCst) {
            return Err(KeyringError::Unavailable { reason: "sealed".into(), retry_after: Duration::from_secs(3) });
        }
        Ok(())
    }
}

#[async_trait]
impl Keyring for MemoryKeyring {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn wrap(&self, context: &[u8; 32], key: &Key32) -> Result<WrappedKey, KeyringError> {
        self.wraps.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        Ok(WrappedKey { version: 1, bytes: cobblestone::wrap(&self.kek, context, random::bytes(), key).to_vec() })
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<Key32, KeyringError> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        cobblestone::unwrap(&self.kek, context, &wrapped.bytes)
            .ok_or_else(|| KeyringError::Refused { reason: "it does not open".into() })
    }

    async fn rewrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<WrappedKey, KeyringError> {
        let key = self.unwrap(context, wrapped).await?;
        self.wrap(context, &key).await
    }

    async fn versions(&self) -> Result<KeyVersions, KeyringError> {
        Ok(KeyVersions { latest: 1, min_decryption: 1 })
    }
}

/// Records in memory, with the store's unique constraint.
#[derive(Default)]
pub(crate) struct MemoryRecords {
    pub(crate) rows: Mutex<BTreeMap<(DomainId, u64), BucketKeyRecord>>,
    pub(crate) down: AtomicBool,
}

impl MemoryRecords {
    fn answer(&self) -> Result<(), RecordsError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(RecordsError { reason: "busy".into() }) } else { Ok(()) }
    }
}

#[async_trait]
impl BucketKeyRecords for MemoryRecords {
    async fn current(&self, domain: DomainId) -> Result<Option<BucketKeyRecord>, RecordsError> {
        self.answer()?;
        let rows = self.rows.lock().expect("no panic");
        Ok(rows.range((domain, 0)..=(domain, u64::MAX)).next_back().map(|(_, record)| record.clone()))
    }

    async fn get(&self, key_id: KeyId) -> Result<Option<BucketKeyRecord>, RecordsError> {
        self.answer()?;
        Ok(self.rows.lock().expect("no panic").values().find(|record| record.key_id == key_id).cloned())
    }

    async fn insert(&self, record: BucketKeyRecord) -> Result<Inserted, RecordsError> {
        self.answer()?;
        let mut rows = self.rows.lock().expect("no panic");
        let place = (record.domain_id, record.epoch);
        if rows.contains_key(&place) {
            return Ok(Inserted::EpochTaken);
        }
        rows.insert(place, record);
        Ok(Inserted::Made)
    }
}
