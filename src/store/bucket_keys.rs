//! Bucket keys, wrapped by the keyring.

use std::fmt;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{bytes, number, signed, time};
use super::{Store, StoreError};
use crate::base::{DomainId, KeyId, Timestamp};

/// A wrapped bucket key: ordinary data.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketKeyRow {
    /// Carried in trailers.
    pub key_id: KeyId,
    /// The domain it belongs to.
    pub domain_id: DomainId,
    /// From 1; the highest one of a domain wraps new DEKs.
    pub epoch: u64,
    /// The key, wrapped by the KEK.
    pub wrap: Vec<u8>,
    /// The KEK's version.
    pub version: u32,
    /// The keyring that wrapped it.
    pub keyring: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// Adds a bucket key; [`StoreError::Conflict`] when its domain has this epoch already: read the winner's.
    pub async fn insert_bucket_key(&self, key: BucketKeyRow) -> Result<(), StoreError> {
        let epoch = signed(key.epoch, "epoch")?;
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO bucket_keys (key_id, domain_id, epoch, wrap, version, keyring, created) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(key.key_id.as_bytes().to_vec())
                .bind(key.domain_id.as_bytes().to_vec())
                .bind(epoch)
                .bind(key.wrap)
                .bind(i64::from(key.version))
                .bind(key.keyring)
                .bind(key.created.unix_millis())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The newest bucket key of a domain.
    pub async fn current_bucket_key(&self, domain: DomainId) -> Result<Option<BucketKeyRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM bucket_keys WHERE domain_id = $1 ORDER BY epoch DESC LIMIT 1")
            .bind(domain.as_bytes().to_vec())
            .fetch_optional(self.readers())
            .await;
        self.decode_optional(found, BucketKeyRow::decode)
    }

    /// A bucket key by its id.
    pub async fn bucket_key(&self, id: KeyId) -> Result<Option<BucketKeyRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM bucket_keys WHERE key_id = $1")
            .bind(id.as_bytes().to_vec())
            .fetch_optional(self.readers())
            .await;
        self.decode_optional(found, BucketKeyRow::decode)
    }

    /// Up to `max` bucket keys wrapped by a KEK version below `version`, for a rewrap.
    pub async fn bucket_keys_below(&self, version: u32, max: u32) -> Result<Vec<BucketKeyRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM bucket_keys WHERE version < $1 ORDER BY key_id LIMIT $2")
            .bind(i64::from(version))
            .bind(i64::from(max))
            .fetch_all(self.readers())
            .await;
        self.decode_all(found, BucketKeyRow::decode)
    }

    /// Replaces a wrap after a rotation of the KEK; [`StoreError::Conflict`] when it is no longer `old`.
    pub async fn rewrap_bucket_key(
        &self,
        id: KeyId,
        old: Vec<u8>,
        version: u32,
        wrap: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                let done =
                    sqlx::query("UPDATE bucket_keys SET wrap = $1, version = $2 WHERE key_id = $3 AND wrap = $4")
                        .bind(wrap)
                        .bind(i64::from(version))
                        .bind(id.as_bytes().to_vec())
                        .bind(old)
                        .execute(connection)
                        .await?;
                if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
            })
        })
        .await
    }
}

impl BucketKeyRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            key_id: bytes(row, "key_id", KeyId::from_slice)?,
            domain_id: bytes(row, "domain_id", DomainId::from_slice)?,
            epoch: number(row, "epoch")?,
            wrap: row.try_get("wrap")?,
            version: number(row, "version")?,
            keyring: row.try_get("keyring")?,
            created: time(row, "created")?,
        })
    }
}

impl fmt::Debug for BucketKeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketKeyRow({}, epoch {}, v{})", self.key_id, self.epoch, self.version)
    }
}
