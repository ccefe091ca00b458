//! What a bucket's upstream lacks is refused here, before a body travels: with 501 where that is known, with 503 while
//! the upstream has not been probed.

use crate::base::ObjectKey;
use crate::store::BucketRow;
use crate::upstream::{Proof, Tags, Upstream};

use super::Objects;
use super::error::ObjectError;

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
