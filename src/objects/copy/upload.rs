//! The upload at the upstream that a copy is made in. It has no row: no client ever names it. Whatever cuts the copy off,
//! it is aborted; after a crash the sweep finds it.

use crate::store::BucketRow;
use crate::upstream::{Tags, UploadRef, UpstreamUploadId};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::ObjectError;
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
    /// Begins one at the destination.
    pub(super) async fn begin(objects: &Objects, to: &CopyTo, tags: &Tags) -> Result<Self, ObjectError> {
        let begun = objects.upstream(&to.bucket)?.create_multipart(&to.bucket.name, &to.key, tags).await;
        let upload = begun.map_err(upstream_error)?;
        let working = objects.copies.begin(upload.id.clone());
        Ok(Self { objects: objects.clone(), bucket: to.bucket.clone(), open: Some(upload), _working: working })
    }

    /// As the upstream knows it.
    pub(super) fn at_upstream(&self) -> Result<&UploadRef, ObjectError> {
        self.open.as_ref().ok_or(ObjectError::Row("a copy's upload that is over"))
    }

    /// It is an object now.
    pub(super) fn completed(mut self) {
        self.open = None;
    }

    /// Aborts it. Cut off in the middle of this, it is tried once more.
    pub(super) async fn abort(mut self) {
        if let Some(upload) = &self.open {
            self.objects.forget_upstream_upload(&self.bucket, upload).await;
            self.open = None;
        }
    }
}

impl Drop for CopyUpload {
    fn drop(&mut self) {
        // Without a runtime the process is at its end, and the next start sweeps.
        if let (Some(upload), Ok(runtime)) = (self.open.take(), tokio::runtime::Handle::try_current()) {
            let (objects, bucket) = (self.objects.clone(), self.bucket.clone());
            runtime.spawn(async move { objects.forget_upstream_upload(&bucket, &upload).await });
        }
    }
}
