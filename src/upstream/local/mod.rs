//! A directory on this machine as the store behind us, for development and single-machine sites.
//!
//! ```text
//! DIR/CRYPT-KEEPER-UPSTREAM   whose directory this is, and its layout
//! DIR/lock                    held while a process uses it
//! DIR/names.db                buckets, keys, tags, uploads: SQLite; which blobs they are made of
//! DIR/blobs/ab/abcd...        the stored bytes: immutable files under random names, never paths made of keys
//! DIR/reserve                 a little room that deletes fall back on when the disk is full
//! ```
//!
//! Keys are only ever values in names.db, so every legal key works. What was acknowledged is on the disk: the blob is
//! synced, renamed, its directory synced, and then the commit that names it is synced. What was not is a blob that no
//! row names, and swept at the next start. An ETag is the random name of what was stored: no ciphertext is hashed.

mod blob;
mod body;
mod bucket;
mod fault;
mod list;
mod multipart;
mod names;
mod object;
mod open;
mod room;
mod row;
mod sweep;
mod tag;
#[cfg(test)]
mod tests;

mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::limits::MAX_OBJECT_BYTES;
use crate::base::{BucketName, Clock, ObjectKey};

use super::{
    Capabilities, DeleteReply, GetReply, ListPage, ListRequest, ListedUpload, ObjectRef, PutBody, StoredFacts,
    StoredPart, StoredRange, Tags, UploadRef, Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

use blob::BlobStore;
use names::Names;
use open::HeldDir;
use room::Room;

pub use open::LocalOpenError;

/// The upstream in a directory. At most one process has it open.
pub struct LocalUpstream {
    blobs: Arc<BlobStore>,
    names: Names,
    clock: Clock,
}

impl LocalUpstream {
    /// Opens the directory, makes it where it is missing, and removes what a process that was killed left half-written.
    /// Must be called within the tokio runtime that serves it.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, LocalOpenError> {
        let failed = |detail: String| LocalOpenError::Failed { path: path.to_owned(), detail };
        let opened = path.to_owned();
        let dir = tokio::task::spawn_blocking(move || HeldDir::open(&opened))
            .await
            .map_err(|error| failed(error.to_string()))??;
        let room = Arc::new(Room::open(path));
        let blobs = BlobStore::open(path, room).map_err(|error| failed(error.to_string()))?;
        let names = Names::open(Arc::new(dir), Arc::clone(&blobs)).await?;
        let swept = sweep::leftovers(&names, path).await.map_err(|error| failed(error.to_string()))?;
        if swept > 0 {
            tracing::info!(path = %path.display(), swept, "removed half-written blobs");
        }
        Ok(Self { blobs, names, clock })
    }

    /// Writes a consistent copy of the names file to `to`, which must not exist, while requests go on. With a copy of
    /// `blobs/` made after it, that is a backup.
    pub async fn backup_names(&self, to: &Path) -> Result<(), UpstreamError> {
        self.names.backup(to).await
    }

    /// Commits what is queued and lets go of the directory; later requests are answered Unavailable. Dropping does the
    /// same a little later.
    pub async fn close(&self) {
        self.names.close().await;
    }
}

#[async_trait]
impl Upstream for LocalUpstream {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            trailer_checksums: false,
            versioning: false,
            max_put_bytes: MAX_OBJECT_BYTES,
            ..Capabilities::ALL
        }
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.make_bucket(bucket).await
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.remove_bucket(bucket).await
    }

    async fn head_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.find_bucket(bucket).await
    }

    async fn put_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError> {
        self.put(bucket, key, body, condition, tags).await
    }

    async fn get_object(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<GetReply, UpstreamError> {
        self.get(object, range, if_match).await
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<StoredFacts, UpstreamError> {
        self.head(object).await
    }

    async fn delete_object(&self, object: &ObjectRef, condition: WriteCondition) -> Result<DeleteReply, UpstreamError> {
        self.remove(object, condition).await
    }

    async fn delete_objects(
        &self,
        bucket: &BucketName,
        objects: &[ObjectRef],
    ) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError> {
        self.remove_many(bucket, objects).await
    }

    async fn list_objects(&self, bucket: &BucketName, request: &ListRequest) -> Result<ListPage, UpstreamError> {
        self.list(bucket, request).await
    }

    async fn get_tags(&self, object: &ObjectRef) -> Result<Tags, UpstreamError> {
        self.tags(object).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError> {
        self.replace_tags(object, tags).await
    }

    async fn create_multipart(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: &Tags,
    ) -> Result<UploadRef, UpstreamError> {
        self.begin_upload(bucket, key, tags).await
    }

    async fn upload_part(
        &self,
        upload: &UploadRef,
        number: u16,
        body: PutBody<'_>,
    ) -> Result<StoredPart, UpstreamError> {
        self.put_part(upload, number, body).await
    }

    async fn upload_part_copy(
        &self,
        upload: &UploadRef,
        number: u16,
        source: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<StoredPart, UpstreamError> {
        self.copy_part(upload, number, source, range, if_match).await
    }

    async fn list_parts(&self, upload: &UploadRef, after: u16, max: u32) -> Result<Vec<StoredPart>, UpstreamError> {
        self.parts(upload, after, max).await
    }

    async fn complete_multipart(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        self.complete(upload, parts, condition).await
    }

    async fn abort_multipart(&self, upload: &UploadRef) -> Result<(), UpstreamError> {
        self.abort(upload).await
    }

    async fn list_uploads(
        &self,
        bucket: &BucketName,
        after: Option<(&str, &str)>,
        max: u32,
    ) -> Result<Vec<ListedUpload>, UpstreamError> {
        self.uploads(bucket, after, max).await
    }
}
