//! CreateMultipartUpload: a DEK, an upload at the upstream, a row.

use crate::base::{ChecksumAlgorithm, ChecksumType, ObjectKey};
use crate::store::{BucketRow, UploadId, UploadRow, UploadState};
use crate::upstream::{Tags, UploadRef, UpstreamError};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::{ObjectError, row_of_bucket};
use super::super::put::NewObject;
use super::rows::seal_facts;

/// An upload to begin.
pub struct CreateUpload<'a> {
    /// The bucket.
    pub bucket: &'a BucketRow,
    /// The key.
    pub key: &'a ObjectKey,
    /// Headers, metadata and tags of the object to come.
    pub object: NewObject,
    /// The checksum of the object and its type, where the client names them.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedUpload {
    /// Ours; the upstream's id is never shown.
    pub upload_id: String,
}

impl Objects {
    /// Begins a multipart upload.
    pub async fn create_upload(&self, create: CreateUpload<'_>) -> Result<CreatedUpload, ObjectError> {
        let CreateUpload { bucket, key, object, checksum } = create;
        self.upstream_for(bucket, key)?;
        self.check_tags(bucket, &object.tags)?;
        let body = self.new_body(bucket, key).await?;
        let created = self.inner.clock.now();
        let upload_id = UploadId::generate(created);
        let initiator = object.owner;
        let tags = object.tags.clone();
        let sealed_facts = seal_facts(body.dek.keys(), &upload_id, object, checksum, created)?;
        let row = UploadRow {
            upload_id: upload_id.clone(),
            bucket_id: bucket.bucket_id,
            key: key.clone(),
            // Not known before it is begun.
            upstream_upload_id: String::new(),
            body_id: body.body_id,
            wrapped_dek: body.wrapped,
            sealed_facts,
            initiator,
            created,
            highest_part_begun: 0,
            state: UploadState::Open,
        };
        // Whoever asked may go away between the two steps: then there is an upload that nobody wanted, and not one that
        // nobody can name.
        let (objects, bucket) = (self.clone(), bucket.clone());
        let beginning = tokio::spawn(async move { objects.begin_upload(&bucket, row, &tags).await });
        let broken_off = |_| Err(UpstreamError::Unavailable("beginning an upload broke off".into()).into());
        beginning.await.unwrap_or_else(broken_off)?;
        Ok(CreatedUpload { upload_id: upload_id.to_string() })
    }

    async fn begin_upload(&self, bucket: &BucketRow, mut row: UploadRow, tags: &Tags) -> Result<(), ObjectError> {
        let begun = self.upstream(bucket)?.create_multipart(&bucket.name, &row.key, tags).await;
        let upload = begun.map_err(upstream_error)?;
        row.upstream_upload_id = upload.id.0.to_string();
        let inserted = self.inner.store.insert_upload(row).await;
        if inserted.is_err() {
            self.forget_upstream_upload(bucket, &upload).await;
        }
        inserted.map_err(row_of_bucket)
    }

    /// Best effort: an upload that nobody can name costs room until the sweep finds it.
    pub(in super::super) async fn forget_upstream_upload(&self, bucket: &BucketRow, upload: &UploadRef) {
        if let Err(error) = self.forget_at_upstream(bucket, upload).await {
            tracing::warn!(%error, "an upload was left behind at the upstream");
        }
    }
}
