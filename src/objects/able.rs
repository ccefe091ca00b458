//! What a bucket's upstream lacks is refused here, before a body travels: with 501 where that is known, with 503 while
//! the upstream has not been probed.

use crate::base::ObjectKey;
use crate::store::BucketRow;
use crate::upstream::{GetReply, ObjectRef, Proof, StoredRange, Tags, Upstream, UpstreamError};

use super::Objects;
use super::error::ObjectError;

/// How often an object may change between its HEAD and its GET.
const MAX_SUFFIX_READS: usize = 4;

/// What tags can be done with at an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagging {
    /// It keeps them.
    Kept,
    /// It keeps none, so no object has any.
    None,
}

impl Objects {
    /// Where an object is, or is to be. Keys that the upstream would keep under another name are refused: a write of
    /// one object would destroy another, and so would a delete.
    pub(super) fn upstream_for(&self, bucket: &BucketRow, key: &ObjectKey) -> Result<&dyn Upstream, ObjectError> {
        let upstream = self.upstream(bucket)?;
        upstream.capabilities().check_key(key)?;
        Ok(upstream)
    }

    /// Whether tags are kept; an error while nobody knows.
    pub(super) fn tagging(&self, bucket: &BucketRow) -> Result<Tagging, ObjectError> {
        let can = self.upstream(bucket)?.capabilities();
        match (can.tagging, can.proof) {
            (true, _) => Ok(Tagging::Kept),
            (false, Proof::Found) => Ok(Tagging::None),
            (false, Proof::Pending) => Err(can.lacking("tags").into()),
        }
    }

    /// Tags that a write wants are kept, or it is refused; without any there is nothing to keep.
    pub(super) fn check_tags(&self, bucket: &BucketRow, tags: &Tags) -> Result<(), ObjectError> {
        let can = self.upstream(bucket)?.capabilities();
        match tags.is_empty() || can.tagging {
            true => Ok(()),
            false => Err(can.lacking("tags").into()),
        }
    }
}

/// The end of an object, at most `len` bytes of it: in one request, or in two where the upstream knows no suffix ranges.
pub(super) async fn suffix(upstream: &dyn Upstream, object: &ObjectRef, len: u64) -> Result<GetReply, UpstreamError> {
    if upstream.capabilities().suffix_range {
        return upstream.get_object(object, StoredRange::Suffix { len }, None).await;
    }
    for _ in 0..MAX_SUFFIX_READS {
        let facts = upstream.head_object(object).await?;
        let range = match facts.stored_bytes.checked_sub(len) {
            Some(offset @ 1..) => StoredRange::Slice { offset, len },
            Some(0) | None => StoredRange::Whole,
        };
        match upstream.get_object(object, range, Some(&facts.etag)).await {
            Ok(reply) if reply.facts.etag == facts.etag => return Ok(reply),
            Ok(_) | Err(UpstreamError::PreconditionFailed | UpstreamError::InvalidRange) => {}
            Err(error) => return Err(error),
        }
    }
    Err(UpstreamError::Conflict)
}
