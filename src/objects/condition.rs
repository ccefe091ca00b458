//! Conditions on the destination of a write: the client names its ETag, the upstream checks its own, atomically.

use crate::base::{ETag, ObjectKey};
use crate::store::BucketRow;
use crate::upstream::{ObjectRef, UpstreamError, UpstreamEtag, WriteCondition};

use super::Objects;
use super::error::ObjectError;
use super::foreign::foreign_etag;
use super::open::Current;
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
    /// It is still exactly this stored object: of a copy onto itself, which must not bring back what was overwritten.
    Stored(UpstreamEtag),
}

impl WriteGuard {
    /// Whether it lets an object with this ETag be replaced.
    fn admits(&self, etag: ETag) -> bool {
        match self {
            Self::None | Self::Exists => true,
            // No ETag of a client's says whether it is the same stored object.
            Self::Absent | Self::Stored(_) => false,
            Self::Matches(etags) => etags.contains(&etag),
        }
    }
}

/// What a guarded write would replace.
struct Target {
    etag: ETag,
    stored: UpstreamEtag,
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
            WriteGuard::Stored(etag) => Ok(WriteCondition::Matches(etag.clone())),
            WriteGuard::Exists | WriteGuard::Matches(_) => {
                let known = self.current(bucket, key).await;
                let is_confirmed = known.as_ref().is_ok_and(Current::is_confirmed);
                let mut target = self.target(bucket, key, known).await?;
                if !guard.admits(target.etag) && !is_confirmed {
                    target = self.target(bucket, key, self.ask(bucket, key, None).await).await?;
                }
                match guard.admits(target.etag) {
                    true => Ok(WriteCondition::Matches(target.stored)),
                    false => Err(ObjectError::PreconditionFailed),
                }
            }
        }
    }

    /// What a write would replace: an object of ours, or a foreign one that may be seen.
    async fn target(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        found: Result<Current, ObjectError>,
    ) -> Result<Target, ObjectError> {
        match found {
            Ok(current) => Ok(Target { etag: current.facts.etag(), stored: current.stored.etag }),
            Err(ObjectError::Foreign { found }) if self.may_pass(bucket, key).await => {
                Ok(Target { etag: foreign_etag(&found.stored.etag), stored: found.stored.etag })
            }
            Err(error) => Err(error),
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
                match self.target(bucket, key, self.ask(bucket, key, None).await).await {
                    Ok(target) if guard.admits(target.etag) => ObjectError::Conflict,
                    Ok(_) => ObjectError::PreconditionFailed,
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
