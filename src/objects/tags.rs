//! Object tags: kept by the upstream, in clear.

use crate::base::ObjectKey;
use crate::store::BucketRow;
use crate::upstream::{ObjectRef, Tags};

use super::Objects;
use super::condition::upstream_error;
use super::error::ObjectError;

impl Objects {
    /// The tags of an object.
    pub async fn tags(&self, bucket: &BucketRow, key: &ObjectKey) -> Result<Tags, ObjectError> {
        self.upstream(bucket)?.get_tags(&ObjectRef::current(&bucket.name, key)).await.map_err(upstream_error)
    }

    /// Replaces the tags of an object; an empty list removes them.
    pub async fn set_tags(&self, bucket: &BucketRow, key: &ObjectKey, tags: &Tags) -> Result<(), ObjectError> {
        self.upstream(bucket)?.put_tags(&ObjectRef::current(&bucket.name, key), tags).await.map_err(upstream_error)
    }
}
