//! Principals: who owns access keys, buckets and uploads.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{bytes, time};
use super::{Store, StoreError};
use crate::base::{PrincipalId, Timestamp};

/// What a principal may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// May everything; made from the configuration.
    Root,
    /// May what was granted.
    User,
}

/// A principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalRow {
    /// Random; also the canonical user id that S3 shows.
    pub id: PrincipalId,
    /// Unique; S3's DisplayName.
    pub name: String,
    /// What it may be.
    pub kind: PrincipalKind,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// Adds a principal; [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_principal(&self, principal: PrincipalRow) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query("INSERT INTO principals (principal_id, name, kind, created) VALUES ($1, $2, $3, $4)")
                    .bind(principal.id.as_bytes().to_vec())
                    .bind(principal.name)
                    .bind(principal.kind.code())
                    .bind(principal.created.unix_millis())
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// A principal by its id.
    pub async fn principal(&self, id: PrincipalId) -> Result<Option<PrincipalRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM principals WHERE principal_id = $1")
            .bind(id.as_bytes().to_vec())
            .fetch_optional(self.readers())
            .await;
        self.decode_optional(found, PrincipalRow::decode)
    }

    /// The root user; `None` before the first start.
    pub async fn root(&self) -> Result<Option<PrincipalRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM principals WHERE kind = $1 ORDER BY created LIMIT 1")
            .bind(PrincipalKind::Root.code())
            .fetch_optional(self.readers())
            .await;
        self.decode_optional(found, PrincipalRow::decode)
    }

    /// A principal by its name.
    pub async fn principal_by_name(&self, name: &str) -> Result<Option<PrincipalRow>, StoreError> {
        let found =
            sqlx::query("SELECT * FROM principals WHERE name = $1").bind(name).fetch_optional(self.readers()).await;
        self.decode_optional(found, PrincipalRow::decode)
    }
}

impl PrincipalRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: bytes(row, "principal_id", PrincipalId::from_slice)?,
            name: row.try_get("name")?,
            kind: PrincipalKind::from_code(row.try_get("kind")?).ok_or_else(|| StoreError::odd_row("kind"))?,
            created: time(row, "created")?,
        })
    }
}

impl PrincipalKind {
    const fn code(self) -> i64 {
        match self {
            Self::Root => 1,
            Self::User => 2,
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        [Self::Root, Self::User].into_iter().find(|kind| kind.code() == code)
    }
}
