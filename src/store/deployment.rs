//! Which deployment this database belongs to, and the wrapped state key: one row, written at the first start.

use sqlx::Row;

use super::row::{bytes, number, time};
use super::{Store, StoreError};
use crate::base::Timestamp;

/// The one row. The state key is wrapped: ordinary data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRow {
    /// 16 random bytes, made once.
    pub deployment_id: [u8; 16],
    /// The keyring that wraps this deployment's keys; another one refuses to start.
    pub keyring: String,
    /// The KEK version that wrapped the state key.
    pub state_key_version: u32,
    /// The wrapped state key.
    pub state_key_wrap: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// The deployment; `None` before its first start.
    pub async fn deployment(&self) -> Result<Option<DeploymentRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM deployment").fetch_optional(self.readers()).await;
        self.decode_optional(found, |row| {
            Ok(DeploymentRow {
                deployment_id: bytes(row, "deployment_id", |bytes| bytes.try_into().ok())?,
                keyring: row.try_get("keyring")?,
                state_key_version: number(row, "state_key_version")?,
                state_key_wrap: row.try_get("state_key_wrap")?,
                created: time(row, "created")?,
            })
        })
    }

    /// Writes the row at the first start; [`StoreError::Conflict`] when another process was first: read that one.
    pub async fn insert_deployment(&self, deployment: DeploymentRow) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO deployment \
                     (only_row, deployment_id, keyring, state_key_version, state_key_wrap, created) \
                     VALUES (1, $1, $2, $3, $4, $5)",
                )
                .bind(deployment.deployment_id.to_vec())
                .bind(deployment.keyring)
                .bind(i64::from(deployment.state_key_version))
                .bind(deployment.state_key_wrap)
                .bind(deployment.created.unix_millis())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Replaces the state key's wrap after a rotation of the KEK; [`StoreError::Conflict`] when it is no longer `old`.
    pub async fn rewrap_state_key(&self, old: Vec<u8>, version: u32, wrap: Vec<u8>) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query(
                    "UPDATE deployment SET state_key_wrap = $1, state_key_version = $2 WHERE state_key_wrap = $3",
                )
                .bind(wrap)
                .bind(i64::from(version))
                .bind(old)
                .execute(connection)
                .await?;
                if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
            })
        })
        .await
    }

    /// Whether nothing was ever written that needs a keyring: only then may a missing keyring be made anew.
    pub async fn holds_no_keys(&self) -> Result<bool, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM deployment) + (SELECT count(*) FROM bucket_keys) AS held";
        let row = sqlx::query(sql).fetch_one(self.readers()).await.map_err(|error| self.named(error.into()))?;
        Ok(row.try_get::<i64, _>("held")? == 0)
    }
}
