//! Multipart uploads. A part is a blob; completing makes the listed blobs the extents of an object and copies nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use crate::base::limits::{MAX_PART_NUMBER, MIN_PART_BYTES};
use crate::base::{BucketName, Clock, ObjectKey, Timestamp};
use crate::upstream::{
    ListedUpload, ObjectRef, PutBody, StoredFacts, StoredPart, StoredRange, Tags, UploadRef, UpstreamError,
    UpstreamEtag, UpstreamUploadId, WriteCondition,
};

use super::LocalUpstream;
use super::blob::{BlobName, FreshBlob};
use super::body::{blocking, store_body};
use super::bucket::bucket_id;
use super::fault::{self, NamesError};
use super::row::{NewObject, blob_name, etag, signed, unsigned};
use super::tag::encode_tags;
use super::writer::{Change, RoomEffect};

/// One above S3's: the footer of an upload whose parts go up to 10,000.
const MAX_STORED_PART_NUMBER: u16 = MAX_PART_NUMBER + 1;

impl LocalUpstream {
    pub(super) async fn begin_upload(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: &Tags,
    ) -> Result<UploadRef, UpstreamError> {
        let id = UpstreamUploadId(BlobName::generate().to_string().into());
        let upload = UploadRef { bucket: bucket.clone(), key: key.clone(), id };
        let change = BeginUpload { upload: upload.clone(), tags: encode_tags(tags), clock: self.clock.clone() };
        self.names.writer.commit(change).await?;
        Ok(upload)
    }

    pub(super) async fn put_part(
        &self,
        upload: &UploadRef,
        number: u16,
        body: PutBody<'_>,
    ) -> Result<StoredPart, UpstreamError> {
        self.check_part(upload, number).await?;
        let blob = store_body(&self.blobs, body).await?;
        self.publish_part(upload, number, blob).await
    }

    pub(super) async fn copy_part(
        &self,
        upload: &UploadRef,
        number: u16,
        source: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<StoredPart, UpstreamError> {
        self.check_part(upload, number).await?;
        let located = self.locate(source, range, if_match).await?;
        let store = Arc::clone(&self.blobs);
        // The system copies, or shares the blocks where the file system can.
        let blob = blocking(move || {
            let mut blob = FreshBlob::create(Arc::clone(&store), located.len)?;
            for piece in &located.pieces {
                let path = store.path(piece.blob);
                let file = match &located.open {
                    Some(file) => file.try_clone().map_err(|error| fault::of_io("open", &path, &error))?,
                    None => store
                        .open_blob(piece.blob, piece.blob_bytes)?
                        .ok_or_else(|| UpstreamError::Broken(format!("{} is missing", path.display())))?,
                };
                blob.write_from(file, piece.offset, piece.len)?;
            }
            blob.seal()?;
            Ok(blob)
        })
        .await?;
        self.publish_part(upload, number, blob).await
    }

    /// What can be refused before the body is; the commit checks it again.
    async fn check_part(&self, upload: &UploadRef, number: u16) -> Result<(), UpstreamError> {
        if !(1..=MAX_STORED_PART_NUMBER).contains(&number) {
            return Err(UpstreamError::InvalidPart { number });
        }
        find_upload(&mut *self.names.reader().await?, upload).await?;
        Ok(())
    }

    async fn publish_part(
        &self,
        upload: &UploadRef,
        number: u16,
        blob: FreshBlob,
    ) -> Result<StoredPart, UpstreamError> {
        let change = PutPart {
            upload: upload.clone(),
            number,
            blob: blob.name(),
            stored_bytes: blob.stored_bytes(),
            clock: self.clock.clone(),
        };
        self.names.writer.publish(change, blob).await
    }

    pub(super) async fn parts(
        &self,
        upload: &UploadRef,
        after: u16,
        max: u32,
    ) -> Result<Vec<StoredPart>, UpstreamError> {
        let mut reader = self.names.reader().await?;
        let upload = find_upload(&mut reader, upload).await?;
        Ok(find_parts(&mut reader, upload.id, after, max).await?)
    }

    pub(super) async fn complete(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        let change = Complete {
            upload: upload.clone(),
            parts: parts.to_vec(),
            condition,
            etag: BlobName::generate(),
            clock: self.clock.clone(),
        };
        self.names.writer.commit(change).await
    }

    pub(super) async fn abort(&self, upload: &UploadRef) -> Result<(), UpstreamError> {
        self.names.writer.commit(Abort { upload: upload.clone() }).await
    }

    pub(super) async fn uploads(
        &self,
        bucket: &BucketName,
        after: Option<(&str, &str)>,
        max: u32,
    ) -> Result<Vec<ListedUpload>, UpstreamError> {
        let mut reader = self.names.reader().await?;
        let id = bucket_id(&mut reader, bucket).await?;
        Ok(find_uploads(&mut reader, id, bucket, after, max).await?)
    }
}

/// A row of `upload`.
struct UploadRow {
    id: i64,
    bucket: i64,
    tags: String,
}

/// The upload, or NoSuchUpload.
async fn find_upload(names: &mut SqliteConnection, upload: &UploadRef) -> Result<UploadRow, NamesError> {
    let row: Option<(i64, i64, String)> = sqlx::query_as(
        "SELECT upload.id, upload.bucket, upload.tags FROM upload JOIN bucket ON bucket.id = upload.bucket \
         WHERE upload.upload_id = ?1 AND upload.key = ?2 AND bucket.name = ?3",
    )
    .bind(&*upload.id.0)
    .bind(upload.key.as_bytes())
    .bind(upload.bucket.as_str())
    .fetch_optional(names)
    .await?;
    let (id, bucket, tags) = row.ok_or(UpstreamError::NoSuchUpload)?;
    Ok(UploadRow { id, bucket, tags })
}

async fn find_parts(
    names: &mut SqliteConnection,
    upload: i64,
    after: u16,
    max: u32,
) -> Result<Vec<StoredPart>, NamesError> {
    let rows: Vec<(u16, Vec<u8>, i64, i64)> = sqlx::query_as(
        "SELECT number, blob, stored_bytes, last_modified_ms FROM part \
         WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )
    .bind(upload)
    .bind(after)
    .bind(max)
    .fetch_all(names)
    .await?;
    rows.into_iter()
        .map(|(number, blob, stored_bytes, last_modified_ms)| {
            Ok(StoredPart {
                number,
                etag: etag(blob_name(&blob)?),
                stored_bytes: unsigned(stored_bytes)?,
                last_modified: Timestamp::from_unix_millis(last_modified_ms),
            })
        })
        .collect()
}

async fn find_uploads(
    names: &mut SqliteConnection,
    bucket_id: i64,
    bucket: &BucketName,
    after: Option<(&str, &str)>,
    max: u32,
) -> Result<Vec<ListedUpload>, NamesError> {
    // No key is empty, so the pair of two empty strings stands before all uploads.
    let (key, upload_id) = after.unwrap_or_default();
    let rows: Vec<(Vec<u8>, String, i64)> = sqlx::query_as(
        "SELECT key, upload_id, initiated_ms FROM upload \
         WHERE bucket = ?1 AND (key, upload_id) > (?2, ?3) ORDER BY key, upload_id LIMIT ?4",
    )
    .bind(bucket_id)
    .bind(key.as_bytes())
    .bind(upload_id)
    .bind(max)
    .fetch_all(names)
    .await?;
    rows.into_iter()
        .map(|(key, id, initiated_ms)| {
            let key = String::from_utf8(key).ok().and_then(|key| ObjectKey::parse(&key));
            let key = key.ok_or_else(|| UpstreamError::Broken("a stored key is not a key".into()))?;
            Ok(ListedUpload {
                upload: UploadRef { bucket: bucket.clone(), key, id: UpstreamUploadId(id.into()) },
                initiated: Timestamp::from_unix_millis(initiated_ms),
            })
        })
        .collect()
}

struct BeginUpload {
    upload: UploadRef,
    tags: String,
    clock: Clock,
}

#[async_trait]
impl Change for BeginUpload {
    type Answer = ();
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(&self, names: &mut SqliteConnection, _: &mut Vec<BlobName>) -> Result<(), NamesError> {
        let bucket = bucket_id(names, &self.upload.bucket).await?;
        sqlx::query("INSERT INTO upload (bucket, key, upload_id, tags, initiated_ms) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(bucket)
            .bind(self.upload.key.as_bytes())
            .bind(&*self.upload.id.0)
            .bind(&self.tags)
            .bind(self.clock.now().unix_millis())
            .execute(names)
            .await?;
        Ok(())
    }
}

struct PutPart {
    upload: UploadRef,
    number: u16,
    blob: BlobName,
    stored_bytes: u64,
    clock: Clock,
}

#[async_trait]
impl Change for PutPart {
    type Answer = StoredPart;
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(&self, names: &mut SqliteConnection, unnamed: &mut Vec<BlobName>) -> Result<StoredPart, NamesError> {
        let upload = find_upload(names, &self.upload).await?.id;
        let earlier: Option<Vec<u8>> =
            sqlx::query_scalar("DELETE FROM part WHERE upload = ?1 AND number = ?2 RETURNING blob")
                .bind(upload)
                .bind(self.number)
                .fetch_optional(&mut *names)
                .await?;
        if let Some(earlier) = earlier {
            unnamed.push(blob_name(&earlier)?);
        }
        let now = self.clock.now();
        sqlx::query(
            "INSERT INTO part (upload, number, blob, stored_bytes, last_modified_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(upload)
        .bind(self.number)
        .bind(self.blob.as_bytes().as_slice())
        .bind(signed(self.stored_bytes)?)
        .bind(now.unix_millis())
        .execute(names)
        .await?;
        Ok(StoredPart {
            number: self.number,
            etag: etag(self.blob),
            stored_bytes: self.stored_bytes,
            last_modified: now,
        })
    }
}

struct Complete {
    upload: UploadRef,
    parts: Vec<(u16, UpstreamEtag)>,
    condition: WriteCondition,
    etag: BlobName,
    clock: Clock,
}

#[async_trait]
impl Change for Complete {
    type Answer = StoredFacts;
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(
        &self,
        names: &mut SqliteConnection,
        unnamed: &mut Vec<BlobName>,
    ) -> Result<StoredFacts, NamesError> {
        let upload = find_upload(names, &self.upload).await?;
        let held = find_parts(names, upload.id, 0, u32::from(MAX_STORED_PART_NUMBER)).await?;
        let stored_bytes = check_listed(&self.parts, &held)?;
        let new = NewObject {
            bucket: upload.bucket,
            key: &self.upload.key,
            etag: self.etag,
            stored_bytes,
            tags: &upload.tags,
            now: self.clock.now(),
        };
        let object = new.replace(names, &self.condition, unnamed).await?;
        remove_unlisted(names, upload.id, &self.parts, &held, unnamed).await?;
        sqlx::query(
            "INSERT INTO extent (object, start_byte, blob, stored_bytes) \
             SELECT ?1, sum(stored_bytes) OVER (ORDER BY number) - stored_bytes, blob, stored_bytes \
             FROM part WHERE upload = ?2 ORDER BY number",
        )
        .bind(object.id)
        .bind(upload.id)
        .execute(&mut *names)
        .await?;
        forget(names, upload.id).await?;
        Ok(object.facts())
    }
}

/// What the listed parts must be: held with these ETags and ascending, then large enough. Returns their total length.
fn check_listed(listed: &[(u16, UpstreamEtag)], held: &[StoredPart]) -> Result<u64, UpstreamError> {
    let held: BTreeMap<u16, &StoredPart> = held.iter().map(|part| (part.number, part)).collect();
    let mut parts = Vec::with_capacity(listed.len());
    let mut before = 0;
    for (number, wanted) in listed {
        let part = held.get(number).filter(|part| part.etag == *wanted && *number > before);
        parts.push(*part.ok_or(UpstreamError::InvalidPart { number: *number })?);
        before = *number;
    }
    let Some((last, others)) = parts.split_last() else { return Err(UpstreamError::InvalidPart { number: 0 }) };
    if let Some(small) = others.iter().find(|part| part.stored_bytes < MIN_PART_BYTES) {
        return Err(UpstreamError::PartTooSmall { number: small.number });
    }
    let total = others.iter().try_fold(last.stored_bytes, |total, part| total.checked_add(part.stored_bytes));
    total.ok_or(UpstreamError::TooLarge)
}

async fn remove_unlisted(
    names: &mut SqliteConnection,
    upload: i64,
    listed: &[(u16, UpstreamEtag)],
    held: &[StoredPart],
    unnamed: &mut Vec<BlobName>,
) -> Result<(), NamesError> {
    let listed: BTreeSet<u16> = listed.iter().map(|part| part.0).collect();
    let unlisted: Vec<u16> = held.iter().map(|part| part.number).filter(|number| !listed.contains(number)).collect();
    for number in unlisted {
        let blob: Vec<u8> = sqlx::query_scalar("DELETE FROM part WHERE upload = ?1 AND number = ?2 RETURNING blob")
            .bind(upload)
            .bind(number)
            .fetch_one(&mut *names)
            .await?;
        unnamed.push(blob_name(&blob)?);
    }
    Ok(())
}

/// Removes the rows of an upload; returns the blobs that its parts named.
async fn forget(names: &mut SqliteConnection, upload: i64) -> Result<Vec<Vec<u8>>, NamesError> {
    let blobs = sqlx::query_scalar("DELETE FROM part WHERE upload = ?1 RETURNING blob")
        .bind(upload)
        .fetch_all(&mut *names)
        .await?;
    sqlx::query("DELETE FROM upload WHERE id = ?1").bind(upload).execute(names).await?;
    Ok(blobs)
}

struct Abort {
    upload: UploadRef,
}

#[async_trait]
impl Change for Abort {
    type Answer = ();
    const ROOM: RoomEffect = RoomEffect::Frees;

    async fn apply(&self, names: &mut SqliteConnection, unnamed: &mut Vec<BlobName>) -> Result<(), NamesError> {
        let upload = find_upload(names, &self.upload).await?;
        for blob in forget(names, upload.id).await? {
            unnamed.push(blob_name(&blob)?);
        }
        Ok(())
    }
}
