//! Objects: put, get, head, delete, tags.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use crate::base::{BucketName, Clock, ObjectKey};
use crate::upstream::{
    DeleteReply, Described, GetReply, ObjectRef, PutBody, StoredFacts, StoredRange, Tags, UpstreamError, UpstreamEtag,
    WriteCondition,
};

use super::LocalUpstream;
use super::blob::{BlobName, Lease};
use super::body::{Piece, PiecesReader, blocking, store_body};
use super::bucket::bucket_id;
use super::fault::NamesError;
use super::row::{
    NewObject, ObjectRow, check, delete_row, etag, existing_object, find_object, find_pieces, is_current, signed,
};
use super::tag::{decode_tags, encode_tags};
use super::writer::{Change, RoomEffect};

/// A GET starts over when its object was replaced between finding and opening it; a key that is replaced faster than
/// this is answered "try again".
const MAX_LOCATE_ATTEMPTS: u32 = 8;

/// Deletes in one transaction: what it writes must fit in the reserve (`room`).
const DELETES_PER_COMMIT: usize = 250;

/// Bytes of an object, found, and safe from being unlinked.
pub(super) struct Located {
    pub(super) row: ObjectRow,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) pieces: Vec<Piece>,
    pub(super) open: Option<Arc<File>>,
    pub(super) lease: Option<Lease>,
}

impl LocalUpstream {
    pub(super) async fn put(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError> {
        self.check_before_body(bucket, key, &condition).await?;
        let blob = store_body(&self.blobs, body).await?;
        let change = PutObject {
            bucket: bucket.clone(),
            key: key.clone(),
            condition,
            blob: blob.name(),
            stored_bytes: blob.stored_bytes(),
            tags: encode_tags(tags),
            clock: self.clock.clone(),
        };
        self.names.writer.publish(change, blob).await
    }

    /// What can be refused before the body is; the commit checks it again.
    async fn check_before_body(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        condition: &WriteCondition,
    ) -> Result<(), UpstreamError> {
        let mut reader = self.names.reader().await?;
        let bucket = bucket_id(&mut reader, bucket).await?;
        if *condition != WriteCondition::None {
            let current = find_object(&mut reader, bucket, key).await?;
            check(condition, current.as_ref())?;
        }
        Ok(())
    }

    pub(super) async fn get(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<GetReply, UpstreamError> {
        let Located { row, offset, len, pieces, open, lease } = self.locate(object, range, if_match).await?;
        let body =
            PiecesReader { store: Arc::clone(&self.blobs), pieces: pieces.into(), open, lease, buffer: Vec::new() };
        Ok(GetReply { facts: row.facts(), described: Described::default(), offset, len, body: Box::new(body) })
    }

    /// Finds the blobs of a range and makes sure that they stay as long as the answer lives.
    pub(super) async fn locate(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<Located, UpstreamError> {
        let mut vanished = None;
        for _ in 0..MAX_LOCATE_ATTEMPTS {
            let mut reader = self.names.reader().await?;
            let row = existing_object(&mut reader, object).await?;
            if if_match.is_some_and(|wanted| *wanted != etag(row.etag)) {
                return Err(UpstreamError::PreconditionFailed);
            }
            let (offset, len) = resolve(range, row.stored_bytes)?;
            let pieces = find_pieces(&mut reader, row.id, offset, len).await?;
            drop(reader);
            let id = row.id;
            if pieces.iter().map(|piece| piece.len).sum::<u64>() == len
                && let Some((open, lease)) = self.hold(id, &pieces).await?
            {
                return Ok(Located { row, offset, len, pieces, open, lease });
            }
            // Replaced in between, unless the same row shows up again without its blobs.
            if vanished.replace(id) == Some(id) {
                return Err(UpstreamError::Broken(format!("a blob of object {id} is missing")));
            }
        }
        Err(UpstreamError::Unavailable("the object is being replaced over and over".into()))
    }

    /// One blob is held by opening it, several by a lease; `None` when they are gone.
    async fn hold(
        &self,
        id: i64,
        pieces: &[Piece],
    ) -> Result<Option<(Option<Arc<File>>, Option<Lease>)>, UpstreamError> {
        match *pieces {
            [] => Ok(Some((None, None))),
            [piece] => {
                let store = Arc::clone(&self.blobs);
                let file = blocking(move || store.open_blob(piece.blob, piece.blob_bytes)).await?;
                Ok(file.map(|file| (Some(Arc::new(file)), None)))
            }
            _ => {
                let lease = self.blobs.lease(pieces.iter().map(|piece| piece.blob).collect());
                let still_named: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM object WHERE id = ?1)")
                    .bind(id)
                    .fetch_one(&mut *self.names.reader().await?)
                    .await
                    .map_err(NamesError::from)?;
                Ok(still_named.then_some((None, Some(lease))))
            }
        }
    }

    pub(super) async fn head(&self, object: &ObjectRef) -> Result<StoredFacts, UpstreamError> {
        Ok(existing_object(&mut *self.names.reader().await?, object).await?.facts())
    }

    pub(super) async fn remove(
        &self,
        object: &ObjectRef,
        condition: WriteCondition,
    ) -> Result<DeleteReply, UpstreamError> {
        let objects = vec![(object.clone(), condition)];
        let mut results = self.names.writer.commit(RemoveObjects { bucket: object.bucket.clone(), objects }).await?;
        results.pop().unwrap_or(Ok(DeleteReply::default()))
    }

    pub(super) async fn remove_many(
        &self,
        bucket: &BucketName,
        objects: &[ObjectRef],
    ) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError> {
        let mut results = Vec::with_capacity(objects.len());
        for some in objects.chunks(DELETES_PER_COMMIT) {
            let objects = some.iter().map(|object| (object.clone(), WriteCondition::None)).collect();
            results.extend(self.names.writer.commit(RemoveObjects { bucket: bucket.clone(), objects }).await?);
        }
        Ok(results)
    }

    pub(super) async fn tags(&self, object: &ObjectRef) -> Result<Tags, UpstreamError> {
        decode_tags(&existing_object(&mut *self.names.reader().await?, object).await?.tags)
    }

    pub(super) async fn replace_tags(&self, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError> {
        self.names.writer.commit(ReplaceTags { object: object.clone(), tags: encode_tags(tags) }).await
    }
}

struct PutObject {
    bucket: BucketName,
    key: ObjectKey,
    condition: WriteCondition,
    blob: BlobName,
    stored_bytes: u64,
    tags: String,
    clock: Clock,
}

#[async_trait]
impl Change for PutObject {
    type Answer = StoredFacts;
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(
        &self,
        names: &mut SqliteConnection,
        unnamed: &mut Vec<BlobName>,
    ) -> Result<StoredFacts, NamesError> {
        let bucket = bucket_id(names, &self.bucket).await?;
        let new = NewObject {
            bucket,
            key: &self.key,
            etag: self.blob,
            stored_bytes: self.stored_bytes,
            tags: &self.tags,
            now: self.clock.now(),
        };
        let row = new.replace(names, &self.condition, unnamed).await?;
        sqlx::query("INSERT INTO extent (object, start_byte, blob, stored_bytes) VALUES (?1, 0, ?2, ?3)")
            .bind(row.id)
            .bind(self.blob.as_bytes().as_slice())
            .bind(signed(self.stored_bytes)?)
            .execute(names)
            .await?;
        Ok(row.facts())
    }
}

struct RemoveObjects {
    bucket: BucketName,
    objects: Vec<(ObjectRef, WriteCondition)>,
}

#[async_trait]
impl Change for RemoveObjects {
    type Answer = Vec<Result<DeleteReply, UpstreamError>>;
    const ROOM: RoomEffect = RoomEffect::Frees;

    async fn apply(
        &self,
        names: &mut SqliteConnection,
        unnamed: &mut Vec<BlobName>,
    ) -> Result<Self::Answer, NamesError> {
        let bucket = bucket_id(names, &self.bucket).await?;
        let mut results = Vec::with_capacity(self.objects.len());
        for (object, condition) in &self.objects {
            if object.bucket != self.bucket {
                return Err(UpstreamError::Unsupported("one delete of objects in several buckets").into());
            }
            results.push(remove_one(names, bucket, object, condition, unnamed).await);
        }
        results.into_iter().map(per_object).collect()
    }
}

/// A refusal concerns one object, a failure of SQLite all of them.
fn per_object(result: Result<DeleteReply, NamesError>) -> Result<Result<DeleteReply, UpstreamError>, NamesError> {
    match result {
        Ok(reply) => Ok(Ok(reply)),
        Err(NamesError::Refused(error)) => Ok(Err(error)),
        Err(failure @ NamesError::Sql(_)) => Err(failure),
    }
}

async fn remove_one(
    names: &mut SqliteConnection,
    bucket: i64,
    object: &ObjectRef,
    condition: &WriteCondition,
    unnamed: &mut Vec<BlobName>,
) -> Result<DeleteReply, NamesError> {
    let current = if is_current(object) { find_object(names, bucket, &object.key).await? } else { None };
    check(condition, current.as_ref())?;
    if let Some(current) = current {
        delete_row(names, current.id, unnamed).await?;
    }
    Ok(DeleteReply::default())
}

struct ReplaceTags {
    object: ObjectRef,
    tags: String,
}

#[async_trait]
impl Change for ReplaceTags {
    type Answer = ();
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(&self, names: &mut SqliteConnection, _: &mut Vec<BlobName>) -> Result<(), NamesError> {
        let row = existing_object(names, &self.object).await?;
        sqlx::query("UPDATE object SET tags = ?2 WHERE id = ?1").bind(row.id).bind(&self.tags).execute(names).await?;
        Ok(())
    }
}

/// Offset and length of a range; a slice that reaches beyond the end is cut there, as S3 does.
fn resolve(range: StoredRange, stored_bytes: u64) -> Result<(u64, u64), UpstreamError> {
    match range {
        StoredRange::Whole => Ok((0, stored_bytes)),
        StoredRange::Slice { offset, len } if offset < stored_bytes && len > 0 => {
            Ok((offset, len.min(stored_bytes - offset)))
        }
        StoredRange::Suffix { len } if len > 0 => {
            let len = len.min(stored_bytes);
            Ok((stored_bytes - len, len))
        }
        StoredRange::Slice { .. } | StoredRange::Suffix { .. } => Err(UpstreamError::InvalidRange),
    }
}
