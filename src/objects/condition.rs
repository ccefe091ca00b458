//! Conditions on the destination of a write: the client names its ETag, the upstream checks its own, atomically.

use crate::base::{ETag, ObjectKey};
use crate::store::BucketRow;
use crate::upstream::{ObjectRef, UpstreamError, WriteCondition};

use super::Objects;
use super::error::ObjectError;
use super::spool::Route;

/// What must hold for the object that a write replaces, or that a delete removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteGuard {
    /// Nothing.
    #[default]
    None,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// There is one (`If-Match: *`).
    Exists,
    /// It has one of these client-visible ETags (`If-Match`).
    Matches(Vec<ETag>),
}

/// The write that a guard stands before: upstreams know conditions on some and not on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuardedWrite {
    Put,
    Complete,
    Delete,
}

impl Objects {
    /// Translates the guard into the upstream's terms; fails at once where it already does not hold.
    pub(super) async fn condition(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        guard: &WriteGuard,
        write: GuardedWrite,
    ) -> Result<WriteCondition, ObjectError> {
        let capabilities = self.upstream_for(bucket, key)?.capabilities();
        let can = capabilities.conditional_writes;
        let can = match write {
            // By a detour the condition stands on the Complete.
            GuardedWrite::Put if self.route(bucket)? == Route::Verified => can.complete,
            GuardedWrite::Put => can.put,
            GuardedWrite::Complete => can.complete,
            GuardedWrite::Delete => can.delete,
        };
        if *guard != WriteGuard::None && !can {
            return Err(capabilities.lacking("this conditional write").into());
        }
        self.translate(bucket, key, guard).await
    }

    async fn translate(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        guard: &WriteGuard,
    ) -> Result<WriteCondition, ObjectError> {
        match guard {
            WriteGuard::None => Ok(WriteCondition::None),
            // Asked beforehand only to spare the client the body; the upstream decides.
            WriteGuard::Absent => {
                match self.upstream(bucket)?.head_object(&ObjectRef::current(&bucket.name, key)).await {
                    Ok(_) => Err(ObjectError::PreconditionFailed),
                    Err(UpstreamError::NoSuchKey) => Ok(WriteCondition::Absent),
                    Err(error) => Err(upstream_error(error)),
                }
            }
            WriteGuard::Exists => Ok(WriteCondition::Matches(self.current(bucket, key).await?.stored.etag)),
            WriteGuard::Matches(etags) => {
                let mut current = self.current(bucket, key).await?;
                if !etags.contains(&current.facts.etag()) && !current.is_confirmed() {
                    current = self.ask(bucket, key, None).await?;
                }
                match etags.contains(&current.facts.etag()) {
                    true => Ok(WriteCondition::Matches(current.stored.etag)),
                    false => Err(ObjectError::PreconditionFailed),
                }
            }
        }
    }

    /// What a refused conditional write means. An upstream 412 after a translation that held is a concurrent write:
    /// the client's ETag is translated once more, and only when it still holds may the client simply try again.
    pub(super) async fn refused_write(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        guard: &WriteGuard,
        error: UpstreamError,
    ) -> ObjectError {
        match (error, guard) {
            (UpstreamError::PreconditionFailed, WriteGuard::Matches(_) | WriteGuard::Exists) => {
                self.inner.index.forget(bucket.bucket_id, key);
                match self.translate(bucket, key, guard).await {
                    Ok(_) => ObjectError::Conflict,
                    Err(error) => error,
                }
            }
            (error, _) => upstream_error(error),
        }
    }
}

/// The upstream's error in this floor's terms, where it is the client's affair.
pub(super) fn upstream_error(error: UpstreamError) -> ObjectError {
    match error {
        UpstreamError::NoSuchKey => ObjectError::NoSuchKey,
        UpstreamError::NoSuchUpload => ObjectError::NoSuchUpload,
        UpstreamError::NoSuchBucket => ObjectError::NoSuchBucket,
        UpstreamError::PreconditionFailed => ObjectError::PreconditionFailed,
        UpstreamError::Conflict => ObjectError::Conflict,
        UpstreamError::BucketNotEmpty => ObjectError::BucketNotEmpty,
        other => ObjectError::Upstream(other),
    }
}
