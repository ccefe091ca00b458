//! The upload at the upstream that a copy is made in. No client ever names it. Whatever cuts the copy off, it is aborted;
//! after a crash the sweep does that, by its row.

use crate::base::ObjectKey;
use crate::store::{BucketRow, CopyUploadRow};
use crate::upstream::{Tags, UploadRef, UpstreamError, UpstreamUploadId};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::{ObjectError, row_of_bucket};
use super::super::in_progress::Working;
use super::CopyTo;

/// An upload that is aborted unless it was completed.
pub(super) struct CopyUpload {
    objects: Objects,
    bucket: BucketRow,
    /// Until it was completed or aborted.
    open: Option<UploadRef>,
    /// No sweep takes it for left over meanwhile.
    _working: Working<UpstreamUploadId>,
}

impl CopyUpload {
    /// Begins one at the destination. Its row is there before its first part. Whoever asked may go away meanwhile: what
    /// was begun is aborted then, and not left without a name.
    pub(super) async fn begin(objects: &Objects, to: &CopyTo, tags: &Tags) -> Result<Self, ObjectError> {
        let (objects, bucket, key, tags) = (objects.clone(), to.bucket.clone(), to.key.clone(), tags.clone());
        let beginning = tokio::spawn(async move { Self::begin_here(objects, bucket, key, &tags).await });
        let broken_off = |_| Err(UpstreamError::Unavailable("beginning a copy broke off".into()).into());
        beginning.await.unwrap_or_else(broken_off)
    }

    async fn begin_here(objects: Objects, bucket: BucketRow, key: ObjectKey, tags: &Tags) -> Result<Self, ObjectError> {
        let begun = objects.upstream(&bucket)?.create_multipart(&bucket.name, &key, tags).await;
        let upload = begun.map_err(upstream_error)?;
        let working = objects.copies.begin(upload.id.clone());
        let row = CopyUploadRow {
            bucket_id: bucket.bucket_id,
            key,
            upstream_upload_id: upload.id.0.to_string(),
            begun: objects.inner.clock.now(),
        };
        let this = Self { objects, bucket, open: Some(upload), _working: working };
        if let Err(error) = this.objects.inner.store.insert_copy_upload(row).await {
            this.abort().await;
            return Err(row_of_bucket(error));
        }
        Ok(this)
    }

    /// As the upstream knows it.
    pub(super) fn at_upstream(&self) -> Result<&UploadRef, ObjectError> {
        self.open.as_ref().ok_or(ObjectError::Row("a copy's upload that is over"))
    }

    /// It is an object now.
    pub(super) async fn completed(mut self) {
        if let Some(upload) = self.open.take() {
            // A row that stays is the sweep's, which finds no such upload.
            let gone = self.objects.inner.store.delete_copy_upload(self.bucket.bucket_id, &upload.id.0).await;
            tell(gone.map_err(ObjectError::from));
        }
    }

    /// Aborts it. Cut off in the middle of this, it is tried once more.
    pub(super) async fn abort(mut self) {
        if let Some(upload) = &self.open {
            tell(self.objects.abort_copy(&self.bucket, upload).await);
            self.open = None;
        }
    }
}

impl Drop for CopyUpload {
    fn drop(&mut self) {
        // Without a runtime the process is at its end, and the next start sweeps.
        if let (Some(upload), Ok(runtime)) = (self.open.take(), tokio::runtime::Handle::try_current()) {
            let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
            runtime.spawn(async move { tell(objects.abort_copy(&bucket, &upload).await) });
        }
    }
}

impl Objects {
    /// Ends a copy's upload at the upstream, then its row.
    pub(in super::super) async fn abort_copy(&self, bucket: &BucketRow, upload: &UploadRef) -> Result<(), ObjectError> {
        self.forget_at_upstream(bucket, upload).await?;
        Ok(self.inner.store.delete_copy_upload(bucket.bucket_id, &upload.id.0).await?)
    }
}

fn tell(outcome: Result<(), ObjectError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "the upload of a copy is left behind at the upstream");
    }
}
