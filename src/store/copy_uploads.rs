//! Uploads at the upstream that copies are made in. No client names them, so a row is there for as long as one is in
//! flight: after a crash the sweep aborts what it names.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{bytes, time};
use super::{Store, StoreError};
use crate::base::{BucketId, ObjectKey, Timestamp};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyUploadRow {
    /// The bucket copied to.
    pub bucket_id: BucketId,
    /// The key copied to.
    pub key: ObjectKey,
    /// As the upstream knows it.
    pub upstream_upload_id: String,
    /// When it was begun.
    pub begun: Timestamp,
}

impl Store {
    /// Adds one; [`StoreError::NoParent`] when the bucket is gone.
    pub async fn insert_copy_upload(&self, row: CopyUploadRow) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO copy_uploads (upstream_upload_id, bucket_id, object_key, begun) \
                     VALUES ($1, $2, $3, $4)",
                )
                .bind(row.upstream_upload_id)
                .bind(row.bucket_id.as_bytes().to_vec())
                .bind(row.key.as_bytes().to_vec())
                .bind(row.begun.unix_millis())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// It is over.
    pub async fn delete_copy_upload(&self, bucket: BucketId, upstream_upload_id: &str) -> Result<(), StoreError> {
        let id = upstream_upload_id.to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query("DELETE FROM copy_uploads WHERE bucket_id = $1 AND upstream_upload_id = $2")
                    .bind(bucket.as_bytes().to_vec())
                    .bind(id)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// For the sweep: up to `max` that were begun before `before`, oldest first, behind `after`.
    pub async fn copy_uploads_begun_before(
        &self,
        before: Timestamp,
        after: Option<&CopyUploadRow>,
        max: u32,
    ) -> Result<Vec<CopyUploadRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM copy_uploads WHERE begun < $1 AND (begun, upstream_upload_id, bucket_id) > ($2, $3, $4) \
             ORDER BY begun, upstream_upload_id, bucket_id LIMIT $5",
        )
        .bind(before.unix_millis())
        .bind(after.map_or(i64::MIN, |row| row.begun.unix_millis()))
        .bind(after.map_or("", |row| &row.upstream_upload_id))
        .bind(after.map_or(Vec::new(), |row| row.bucket_id.as_bytes().to_vec()))
        .bind(i64::from(max))
        .fetch_all(self.readers())
        .await;
        self.decode_all(found, CopyUploadRow::decode)
    }
}

impl CopyUploadRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            bucket_id: bytes(row, "bucket_id", BucketId::from_slice)?,
            key: bytes(row, "object_key", |key| ObjectKey::parse(std::str::from_utf8(key).ok()?))?,
            upstream_upload_id: row.try_get("upstream_upload_id")?,
            begun: time(row, "begun")?,
        })
    }
}
