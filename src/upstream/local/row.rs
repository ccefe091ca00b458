//! Rows of objects and their extents: finding, replacing and deleting them.

use sqlx::sqlite::SqliteConnection;

use crate::base::{ObjectKey, Timestamp};
use crate::upstream::{ObjectRef, StoredFacts, UpstreamError, UpstreamEtag, WriteCondition};

use super::blob::BlobName;
use super::body::Piece;
use super::bucket::bucket_id;
use super::fault::NamesError;

/// The version id of what is stored in a bucket that has never been versioned (S3: "null").
const UNVERSIONED: &str = "null";

/// A row of `object`.
pub(super) struct ObjectRow {
    pub(super) id: i64,
    pub(super) etag: BlobName,
    pub(super) stored_bytes: u64,
    pub(super) last_modified: Timestamp,
    pub(super) tags: String,
}

impl ObjectRow {
    pub(super) fn facts(&self) -> StoredFacts {
        StoredFacts {
            etag: etag(self.etag),
            stored_bytes: self.stored_bytes,
            last_modified: self.last_modified,
            version: None,
            tag_count: u16::try_from(self.tags.split('&').filter(|tag| !tag.is_empty()).count()).unwrap_or(u16::MAX),
        }
    }
}

/// An object that takes the place of the current one, if there is one; its extents are the caller's to insert.
pub(super) struct NewObject<'a> {
    pub(super) bucket: i64,
    pub(super) key: &'a ObjectKey,
    pub(super) etag: BlobName,
    pub(super) stored_bytes: u64,
    pub(super) tags: &'a str,
    pub(super) now: Timestamp,
}

impl NewObject<'_> {
    pub(super) async fn replace(
        self,
        names: &mut SqliteConnection,
        condition: &WriteCondition,
        unnamed: &mut Vec<BlobName>,
    ) -> Result<ObjectRow, NamesError> {
        let current = find_object(names, self.bucket, self.key).await?;
        check(condition, current.as_ref())?;
        if let Some(current) = current {
            delete_row(names, current.id, unnamed).await?;
        }
        let id = sqlx::query_scalar(
            "INSERT INTO object (bucket, key, etag, stored_bytes, last_modified_ms, tags) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        )
        .bind(self.bucket)
        .bind(self.key.as_bytes())
        .bind(self.etag.as_bytes().as_slice())
        .bind(signed(self.stored_bytes)?)
        .bind(self.now.unix_millis())
        .bind(self.tags)
        .fetch_one(names)
        .await?;
        Ok(ObjectRow {
            id,
            etag: self.etag,
            stored_bytes: self.stored_bytes,
            last_modified: self.now,
            tags: self.tags.to_owned(),
        })
    }
}

/// Whether a write or a delete may go on, given the current object.
pub(super) fn check(condition: &WriteCondition, current: Option<&ObjectRow>) -> Result<(), UpstreamError> {
    match (condition, current) {
        (WriteCondition::None, _) | (WriteCondition::Absent, None) => Ok(()),
        (WriteCondition::Matches(wanted), Some(current)) if *wanted == etag(current.etag) => Ok(()),
        (WriteCondition::Matches(_), None) => Err(UpstreamError::NoSuchKey),
        (WriteCondition::Absent | WriteCondition::Matches(_), Some(_)) => Err(UpstreamError::PreconditionFailed),
    }
}

/// The upstream ETag of what has this random name.
pub(super) fn etag(name: BlobName) -> UpstreamEtag {
    UpstreamEtag(name.to_string().into())
}

/// The current object, or NoSuchBucket, or NoSuchKey.
pub(super) async fn existing_object(names: &mut SqliteConnection, object: &ObjectRef) -> Result<ObjectRow, NamesError> {
    let bucket = bucket_id(names, &object.bucket).await?;
    let found = if is_current(object) { find_object(names, bucket, &object.key).await? } else { None };
    Ok(found.ok_or(UpstreamError::NoSuchKey)?)
}

pub(super) fn is_current(object: &ObjectRef) -> bool {
    object.version.as_ref().is_none_or(|version| &*version.0 == UNVERSIONED)
}

pub(super) async fn find_object(
    names: &mut SqliteConnection,
    bucket: i64,
    key: &ObjectKey,
) -> Result<Option<ObjectRow>, NamesError> {
    let row: Option<(i64, Vec<u8>, i64, i64, String)> = sqlx::query_as(
        "SELECT id, etag, stored_bytes, last_modified_ms, tags FROM object WHERE bucket = ?1 AND key = ?2",
    )
    .bind(bucket)
    .bind(key.as_bytes())
    .fetch_optional(names)
    .await?;
    row.map(|(id, etag, stored_bytes, last_modified_ms, tags)| {
        Ok(ObjectRow {
            id,
            etag: blob_name(&etag)?,
            stored_bytes: unsigned(stored_bytes)?,
            last_modified: Timestamp::from_unix_millis(last_modified_ms),
            tags,
        })
    })
    .transpose()
}

pub(super) async fn delete_row(
    names: &mut SqliteConnection,
    id: i64,
    unnamed: &mut Vec<BlobName>,
) -> Result<(), NamesError> {
    let blobs: Vec<Vec<u8>> = sqlx::query_scalar("DELETE FROM extent WHERE object = ?1 RETURNING blob")
        .bind(id)
        .fetch_all(&mut *names)
        .await?;
    for blob in blobs {
        unnamed.push(blob_name(&blob)?);
    }
    sqlx::query("DELETE FROM object WHERE id = ?1").bind(id).execute(names).await?;
    Ok(())
}

/// The pieces that make up `len` bytes from `offset`, as far as there are rows.
pub(super) async fn find_pieces(
    names: &mut SqliteConnection,
    id: i64,
    offset: u64,
    len: u64,
) -> Result<Vec<Piece>, NamesError> {
    if len == 0 {
        return Ok(Vec::new());
    }
    let end = offset.checked_add(len).ok_or(UpstreamError::InvalidRange)?;
    let rows: Vec<(Vec<u8>, i64, i64)> = sqlx::query_as(
        "SELECT blob, start_byte, stored_bytes FROM extent WHERE object = ?1 AND start_byte < ?3 AND start_byte >= \
         (SELECT coalesce(max(start_byte), 0) FROM extent WHERE object = ?1 AND start_byte <= ?2) ORDER BY start_byte",
    )
    .bind(id)
    .bind(signed(offset)?)
    .bind(signed(end)?)
    .fetch_all(names)
    .await?;
    rows.into_iter()
        .map(|(blob, start, blob_bytes)| {
            let (start, blob_bytes) = (unsigned(start)?, unsigned(blob_bytes)?);
            let from = offset.saturating_sub(start);
            let to = end.saturating_sub(start).min(blob_bytes);
            Ok(Piece { blob: blob_name(&blob)?, blob_bytes, offset: from, len: to.saturating_sub(from) })
        })
        .collect()
}

/// A stored random name.
pub(super) fn blob_name(bytes: &[u8]) -> Result<BlobName, NamesError> {
    Ok(BlobName::from_slice(bytes).ok_or_else(|| UpstreamError::Broken("a blob's name is not 16 bytes".into()))?)
}

/// SQLite has no unsigned integers.
pub(super) fn signed(bytes: u64) -> Result<i64, NamesError> {
    Ok(i64::try_from(bytes).map_err(|_| UpstreamError::TooLarge)?)
}

/// A stored size.
pub(super) fn unsigned(bytes: i64) -> Result<u64, NamesError> {
    Ok(u64::try_from(bytes).map_err(|_| UpstreamError::Broken("a stored size is negative".into()))?)
}
