//! Access keys; their secrets are sealed under the state key by whoever calls.

use std::fmt;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{bytes, time};
use super::{Store, StoreError};
use crate::base::{PrincipalId, Timestamp};

/// Whether an access key signs requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKeyStatus {
    /// It does.
    Active,
    /// It is kept, and refused.
    Inactive,
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKeyRow {
    /// What clients name it by; S3 matches it exactly.
    pub access_key_id: String,
    /// Whose it is.
    pub principal: PrincipalId,
    /// The secret, sealed with `access_key_id` as context.
    pub sealed_secret: Vec<u8>,
    /// Whether it signs.
    pub status: AccessKeyStatus,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// Adds an access key; [`StoreError::Conflict`] when the id is taken, [`StoreError::NoParent`] without its principal.
    pub async fn insert_access_key(&self, key: AccessKeyRow) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO access_keys (access_key_id, principal_id, sealed_secret, status, created) \
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(key.access_key_id)
                .bind(key.principal.as_bytes().to_vec())
                .bind(key.sealed_secret)
                .bind(key.status.code())
                .bind(key.created.unix_millis())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// An access key by its id.
    pub async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKeyRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM access_keys WHERE access_key_id = $1")
            .bind(access_key_id)
            .fetch_optional(self.readers())
            .await;
        self.decode_optional(found, AccessKeyRow::decode)
    }

    /// All access keys of a principal, oldest first.
    pub async fn access_keys_of(&self, principal: PrincipalId) -> Result<Vec<AccessKeyRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM access_keys WHERE principal_id = $1 ORDER BY created, access_key_id")
            .bind(principal.as_bytes().to_vec())
            .fetch_all(self.readers())
            .await;
        self.decode_all(found, AccessKeyRow::decode)
    }

    /// Switches an access key on or off. Whether it was there.
    pub async fn set_access_key_status(
        &self,
        access_key_id: &str,
        status: AccessKeyStatus,
    ) -> Result<bool, StoreError> {
        let id = access_key_id.to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query("UPDATE access_keys SET status = $1 WHERE access_key_id = $2")
                    .bind(status.code())
                    .bind(id)
                    .execute(connection)
                    .await?;
                Ok(done.rows_affected() == 1)
            })
        })
        .await
    }

    /// Removes an access key. Whether it was there.
    pub async fn delete_access_key(&self, access_key_id: &str) -> Result<bool, StoreError> {
        let id = access_key_id.to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM access_keys WHERE access_key_id = $1")
                    .bind(id)
                    .execute(connection)
                    .await?;
                Ok(done.rows_affected() == 1)
            })
        })
        .await
    }
}

impl AccessKeyRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            access_key_id: row.try_get("access_key_id")?,
            principal: bytes(row, "principal_id", PrincipalId::from_slice)?,
            sealed_secret: row.try_get("sealed_secret")?,
            status: AccessKeyStatus::from_code(row.try_get("status")?).ok_or_else(|| StoreError::odd_row("status"))?,
            created: time(row, "created")?,
        })
    }
}

impl fmt::Debug for AccessKeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKeyRow({}, {:?})", self.access_key_id, self.status)
    }
}

impl AccessKeyStatus {
    const fn code(self) -> i64 {
        match self {
            Self::Active => 1,
            Self::Inactive => 2,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        [Self::Active, Self::Inactive].into_iter().find(|status| status.code() == code)
    }
}
