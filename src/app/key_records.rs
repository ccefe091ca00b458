//! Where wrapped bucket keys live: keys' port, over the store.

use async_trait::async_trait;

use crate::base::{DomainId, KeyId};
use crate::keys::{BucketKeyRecord, BucketKeyRecords, Inserted, RecordsError, WrappedKey};
use crate::store::{BucketKeyRow, Store, StoreError};

/// The store's rows as keys' records.
pub(super) struct StoredBucketKeys(pub(super) Store);

#[async_trait]
impl BucketKeyRecords for StoredBucketKeys {
    async fn current(&self, domain: DomainId) -> Result<Option<BucketKeyRecord>, RecordsError> {
        Ok(self.0.current_bucket_key(domain).await.map_err(failed)?.map(record))
    }

    async fn get(&self, key_id: KeyId) -> Result<Option<BucketKeyRecord>, RecordsError> {
        Ok(self.0.bucket_key(key_id).await.map_err(failed)?.map(record))
    }

    async fn insert(&self, record: BucketKeyRecord) -> Result<Inserted, RecordsError> {
        let row = BucketKeyRow {
            key_id: record.key_id,
            domain_id: record.domain_id,
            epoch: record.epoch,
            wrap: record.wrapped.bytes,
            version: record.wrapped.version,
            keyring: record.keyring,
            created: record.created,
        };
        match self.0.insert_bucket_key(row).await {
            Ok(()) => Ok(Inserted::Made),
            Err(StoreError::Conflict) => Ok(Inserted::EpochTaken),
            Err(error) => Err(failed(error)),
        }
    }
}

fn record(row: BucketKeyRow) -> BucketKeyRecord {
    BucketKeyRecord {
        key_id: row.key_id,
        domain_id: row.domain_id,
        epoch: row.epoch,
        wrapped: WrappedKey { version: row.version, bytes: row.wrap },
        keyring: row.keyring,
        created: row.created,
    }
}

fn failed(error: StoreError) -> RecordsError {
    RecordsError { reason: error.to_string() }
}
