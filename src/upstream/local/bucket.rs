//! Buckets: rows, and the rule that only an empty one goes.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use crate::base::{BucketName, Clock};
use crate::upstream::UpstreamError;

use super::LocalUpstream;
use super::blob::BlobName;
use super::fault::NamesError;
use super::writer::{Change, RoomEffect};

impl LocalUpstream {
    pub(super) async fn make_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.names.writer.commit(MakeBucket { bucket: bucket.clone(), clock: self.clock.clone() }).await
    }

    pub(super) async fn remove_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.names.writer.commit(RemoveBucket { bucket: bucket.clone() }).await
    }

    pub(super) async fn find_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        bucket_id(&mut *self.names.reader().await?, bucket).await?;
        Ok(())
    }
}

/// The row of a bucket, or NoSuchBucket.
pub(super) async fn bucket_id(names: &mut SqliteConnection, bucket: &BucketName) -> Result<i64, NamesError> {
    let id: Option<i64> =
        sqlx::query_scalar("SELECT id FROM bucket WHERE name = ?1").bind(bucket.as_str()).fetch_optional(names).await?;
    Ok(id.ok_or(UpstreamError::NoSuchBucket)?)
}

struct MakeBucket {
    bucket: BucketName,
    clock: Clock,
}

#[async_trait]
impl Change for MakeBucket {
    type Answer = ();
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(&self, names: &mut SqliteConnection, _: &mut Vec<BlobName>) -> Result<(), NamesError> {
        let made = sqlx::query("INSERT INTO bucket (name, created_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(self.bucket.as_str())
            .bind(self.clock.now().unix_millis())
            .execute(names)
            .await?;
        if made.rows_affected() == 0 {
            return Err(UpstreamError::BucketExists.into());
        }
        Ok(())
    }
}

struct RemoveBucket {
    bucket: BucketName,
}

#[async_trait]
impl Change for RemoveBucket {
    type Answer = ();
    const ROOM: RoomEffect = RoomEffect::Frees;

    async fn apply(&self, names: &mut SqliteConnection, _: &mut Vec<BlobName>) -> Result<(), NamesError> {
        let id = bucket_id(names, &self.bucket).await?;
        let has_content: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM object WHERE bucket = ?1) OR EXISTS (SELECT 1 FROM upload WHERE bucket = ?1)",
        )
        .bind(id)
        .fetch_one(&mut *names)
        .await?;
        if has_content {
            return Err(UpstreamError::BucketNotEmpty.into());
        }
        sqlx::query("DELETE FROM bucket WHERE id = ?1").bind(id).execute(names).await?;
        Ok(())
    }
}
