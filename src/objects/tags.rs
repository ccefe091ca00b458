//! Object tags: kept by the upstream, in clear.

use crate::base::ObjectKey;
use crate::store::BucketRow;
use crate::upstream::{ObjectRef, Tags};

use super::Objects;
use super::able::Tagging;
use super::condition::upstream_error;
use super::error::ObjectError;

impl Objects {
    /// The tags of an object.
    pub async fn tags(&self, bucket: &BucketRow, key: &ObjectKey) -> Result<Tags, ObjectError> {
        let (upstream, object) = (self.upstream_for(bucket, key)?, ObjectRef::current(&bucket.name, key));
        match self.tagging(bucket)? {
            Tagging::Kept => upstream.get_tags(&object).await.map_err(upstream_error),
            Tagging::None => upstream.head_object(&object).await.map(|_| Tags::new()).map_err(upstream_error),
        }
    }

    /// Replaces the tags of an object; an empty list removes them.
    pub async fn set_tags(&self, bucket: &BucketRow, key: &ObjectKey, tags: &Tags) -> Result<(), ObjectError> {
        self.check_tags(bucket, tags)?;
        let (upstream, object) = (self.upstream_for(bucket, key)?, ObjectRef::current(&bucket.name, key));
        match self.tagging(bucket)? {
            Tagging::Kept => upstream.put_tags(&object, tags).await.map_err(upstream_error),
            Tagging::None => upstream.head_object(&object).await.map(drop).map_err(upstream_error),
        }
    }
}
