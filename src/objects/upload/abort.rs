//! AbortMultipartUpload: first gone for clients, then at the upstream.

use crate::base::ObjectKey;
use crate::base::limits::MAX_PART_NUMBER;
use crate::store::{BucketRow, PartPlace, StoreError, UploadId, UploadState};
use crate::upstream::UpstreamError;

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::ObjectError;
use super::rows::OpenUpload;

impl Objects {
    /// Aborts an upload. What a crash leaves behind after the first step, a client that asks again or
    /// the sweep removes.
    pub async fn abort_upload(&self, bucket: &BucketRow, key: &ObjectKey, upload_id: &str) -> Result<(), ObjectError> {
        let upload = self.open_upload(bucket, key, upload_id).await?;
        match upload.row.state {
            UploadState::Completed { .. } => return Err(ObjectError::NoSuchUpload),
            // An abort that was cut off goes on.
            UploadState::Aborted { .. } => {}
            UploadState::Open | UploadState::Completing => {
                let marked = match self.mark_aborted(&upload).await {
                    // The disk is full, perhaps of these parts: they go first, and make room for the mark.
                    Err(StoreError::Full) => {
                        self.abort_at_upstream(bucket, &upload).await?;
                        self.mark_aborted(&upload).await
                    }
                    marked => marked,
                };
                if !marked? {
                    return Err(ObjectError::NoSuchUpload);
                }
            }
        }
        self.abort_at_upstream(bucket, &upload).await?;
        self.forget_held(bucket, &upload.row.upload_id).await?;
        self.inner.store.delete_upload(&upload.row.upload_id).await?;
        Ok(())
    }

    async fn mark_aborted(&self, upload: &OpenUpload) -> Result<bool, StoreError> {
        self.inner.store.mark_aborted(&upload.row.upload_id, self.inner.clock.now()).await
    }

    async fn abort_at_upstream(&self, bucket: &BucketRow, upload: &OpenUpload) -> Result<(), ObjectError> {
        match self.upstream(bucket)?.abort_multipart(&upload.at_upstream(bucket)).await {
            Ok(()) | Err(UpstreamError::NoSuchUpload) => Ok(()),
            Err(error) => Err(upstream_error(error)),
        }
    }

    /// Deletes the held-back parts of an upload that is over, and its part rows.
    pub(super) async fn forget_held(&self, bucket: &BucketRow, upload: &UploadId) -> Result<(), ObjectError> {
        let parts = self.inner.store.parts(upload, 0, u32::from(MAX_PART_NUMBER)).await?;
        let held = parts.into_iter().filter_map(|part| match part.place {
            PartPlace::Held(key) => Some(key),
            PartPlace::Upstream(_) | PartPlace::Sent => None,
        });
        self.drop_held(bucket, &held.collect::<Vec<_>>()).await;
        self.inner.store.forget_parts(upload).await?;
        Ok(())
    }
}
