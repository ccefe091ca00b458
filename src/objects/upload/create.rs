//! CreateMultipartUpload: a DEK, an upload at the upstream, a row.

use crate::base::{ChecksumAlgorithm, ChecksumType, ObjectKey};
use crate::store::{BucketRow, UploadId, UploadRow, UploadState};
use crate::upstream::UploadRef;

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
        let upstream = self.upstream_for(bucket, key)?;
        self.check_tags(bucket, &object.tags)?;
        let body = self.new_body(bucket, key).await?;
        let created = self.inner.clock.now();
        let upload_id = UploadId::generate(created);
        let initiator = object.owner;
        let tags = object.tags.clone();
        let sealed_facts = seal_facts(body.dek.keys(), &upload_id, object, checksum, created)?;
        let upload = upstream.create_multipart(&bucket.name, key, &tags).await.map_err(upstream_error)?;
        let row = UploadRow {
            upload_id: upload_id.clone(),
            bucket_id: bucket.bucket_id,
            key: key.clone(),
            upstream_upload_id: upload.id.0.to_string(),
            body_id: body.body_id,
            wrapped_dek: body.wrapped,
            sealed_facts,
            initiator,
            created,
            highest_part_begun: 0,
            state: UploadState::Open,
        };
        if let Err(error) = self.inner.store.insert_upload(row).await {
            self.forget_upstream_upload(bucket, &upload).await;
            return Err(row_of_bucket(error));
        }
        Ok(CreatedUpload { upload_id: upload_id.to_string() })
    }

    /// Best effort: an upload that nobody can name costs room until the sweep finds it.
    pub(in super::super) async fn forget_upstream_upload(&self, bucket: &BucketRow, upload: &UploadRef) {
        let Ok(upstream) = self.upstream(bucket) else { return };
        if let Err(error) = upstream.abort_multipart(upload).await {
            tracing::warn!(%error, "an upload was left behind at the upstream");
        }
    }
}
