//! Buckets: the name that clients use, and the ids that keys and names are bound to.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::bucket_cache::Seen;
use super::row::{bytes, text, time};
use super::{Store, StoreError};
use crate::base::{BucketId, BucketName, DomainId, PrincipalId, Timestamp};

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRow {
    /// Unique.
    pub name: BucketName,
    /// Made with the bucket; bound into every object's name.
    pub bucket_id: BucketId,
    /// Whose bucket keys it uses; never changes.
    pub domain_id: DomainId,
    /// Where its objects are: an upstream's name in the configuration.
    pub upstream: String,
    /// Who made it.
    pub owner: PrincipalId,
    /// What GetBucketLocation answers.
    pub region: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether the upstream had it before: others may write there too.
    pub adopted: bool,
}

impl Store {
    /// Adds a bucket; [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_bucket(&self, bucket: BucketRow) -> Result<(), StoreError> {
        let changing = self.known_buckets().changing();
        let committed = self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO buckets (name, bucket_id, domain_id, upstream, owner, region, created, adopted) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(bucket.name.as_str().to_owned())
                .bind(bucket.bucket_id.as_bytes().to_vec())
                .bind(bucket.domain_id.as_bytes().to_vec())
                .bind(bucket.upstream)
                .bind(bucket.owner.as_bytes().to_vec())
                .bind(bucket.region)
                .bind(bucket.created.unix_millis())
                .bind(bucket.adopted)
                .execute(connection)
                .await?;
                Ok(changing)
            })
        });
        committed.await.map(drop)
    }

    /// A bucket by its name.
    pub async fn bucket(&self, name: &BucketName) -> Result<Option<BucketRow>, StoreError> {
        let seen = match self.known_buckets().by_name(name) {
            Ok(known) => return Ok(Some(known)),
            Err(seen) => seen,
        };
        let found = sqlx::query("SELECT * FROM buckets WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(self.readers())
            .await;
        self.keep_bucket(seen, found)
    }

    /// A bucket by its id.
    pub async fn bucket_by_id(&self, id: BucketId) -> Result<Option<BucketRow>, StoreError> {
        let seen = match self.known_buckets().by_id(id) {
            Ok(known) => return Ok(Some(known)),
            Err(seen) => seen,
        };
        let found = sqlx::query("SELECT * FROM buckets WHERE bucket_id = $1")
            .bind(id.as_bytes().to_vec())
            .fetch_optional(self.readers())
            .await;
        self.keep_bucket(seen, found)
    }

    fn keep_bucket(
        &self,
        seen: Seen,
        found: Result<Option<SqliteRow>, sqlx::Error>,
    ) -> Result<Option<BucketRow>, StoreError> {
        let bucket = self.decode_optional(found, BucketRow::decode)?;
        if let Some(bucket) = &bucket {
            self.known_buckets().keep(seen, bucket);
        }
        Ok(bucket)
    }

    /// Up to `max` buckets by name, those after `after` where one is given.
    pub async fn buckets(&self, after: Option<&BucketName>, max: u32) -> Result<Vec<BucketRow>, StoreError> {
        // Bucket names are ASCII: every collation that we can meet sorts them as S3 does, or the caller's page is short.
        let found = sqlx::query("SELECT * FROM buckets WHERE name > $1 ORDER BY name LIMIT $2")
            .bind(after.map_or("", BucketName::as_str))
            .bind(i64::from(max))
            .fetch_all(self.readers())
            .await;
        self.decode_all(found, BucketRow::decode)
    }

    /// Forgets a bucket, with its uploads (the caller has made sure that the upstream holds none). Whether it was there.
    pub async fn delete_bucket(&self, id: BucketId) -> Result<bool, StoreError> {
        let changing = self.known_buckets().changing();
        let committed = self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM buckets WHERE bucket_id = $1")
                    .bind(id.as_bytes().to_vec())
                    .execute(connection)
                    .await?;
                Ok((done.rows_affected() == 1, changing))
            })
        });
        committed.await.map(|(was_there, _changed)| was_there)
    }
}

impl BucketRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: text(row, "name", BucketName::parse)?,
            bucket_id: bytes(row, "bucket_id", BucketId::from_slice)?,
            domain_id: bytes(row, "domain_id", DomainId::from_slice)?,
            upstream: row.try_get("upstream")?,
            owner: bytes(row, "owner", PrincipalId::from_slice)?,
            region: row.try_get("region")?,
            created: time(row, "created")?,
            adopted: row.try_get("adopted")?,
        })
    }
}
