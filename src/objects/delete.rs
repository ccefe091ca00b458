//! Deletes, one or many; the index forgets what is gone.

use crate::base::ObjectKey;
use crate::store::BucketRow;
use crate::upstream::{DeleteReply, ObjectRef, UpstreamError, VersionId};

use super::Objects;
use super::condition::{GuardedWrite, WriteGuard, upstream_error};
use super::error::ObjectError;

/// What a delete did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The version that was removed, or that the delete marker has.
    pub version: Option<VersionId>,
    /// Whether a delete marker was made or removed.
    pub delete_marker: bool,
}

impl From<DeleteReply> for Deleted {
    fn from(reply: DeleteReply) -> Self {
        Self { version: reply.version, delete_marker: reply.delete_marker }
    }
}

impl Objects {
    /// Removes an object. Removing what is not there succeeds, unless the guard says otherwise.
    pub async fn delete(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
        guard: WriteGuard,
    ) -> Result<Deleted, ObjectError> {
        let condition = self.condition(bucket, key, &guard, GuardedWrite::Delete).await?;
        let object = ObjectRef { version: version.cloned(), ..ObjectRef::current(&bucket.name, key) };
        let outcome = self.upstream(bucket)?.delete_object(&object, condition).await;
        match outcome {
            Ok(reply) => {
                self.inner.index.forget(bucket.bucket_id, key);
                Ok(reply.into())
            }
            Err(error) => {
                self.doubt(bucket, key);
                Err(self.refused_write(bucket, key, &guard, error).await)
            }
        }
    }

    /// Removes many objects of one bucket; one result each, in order. Those without a guard go in one request.
    pub async fn delete_many(
        &self,
        bucket: &BucketRow,
        objects: &[(ObjectKey, WriteGuard)],
    ) -> Result<Vec<Result<Deleted, ObjectError>>, ObjectError> {
        // The list may have taken its time to come, and the bucket be another one of the same name.
        self.check_bucket(bucket).await?;
        let can = self.upstream(bucket)?.capabilities();
        let is_plain = |key: &ObjectKey, guard: &WriteGuard| *guard == WriteGuard::None && can.check_key(key).is_ok();
        let unguarded = objects.iter().filter(|(key, guard)| is_plain(key, guard));
        let batch: Vec<ObjectRef> = unguarded.map(|(key, _)| ObjectRef::current(&bucket.name, key)).collect();
        let replies = match batch.is_empty() {
            true => Vec::new(),
            false => self.upstream(bucket)?.delete_objects(&bucket.name, &batch).await.map_err(upstream_error)?,
        };
        let mut replies = replies.into_iter();
        let mut results = Vec::with_capacity(objects.len());
        for (key, guard) in objects {
            let result = match guard {
                WriteGuard::None if is_plain(key, guard) => {
                    let missing = || Err(UpstreamError::Broken("too few results of a bulk delete".into()));
                    let reply = replies.next().unwrap_or_else(missing);
                    match reply.is_ok() {
                        true => self.inner.index.forget(bucket.bucket_id, key),
                        false => self.doubt(bucket, key),
                    }
                    reply.map(Deleted::from).map_err(upstream_error)
                }
                guard => self.delete(bucket, key, None, guard.clone()).await,
            };
            results.push(result);
        }
        Ok(results)
    }
}
