//! GetBucketLocation.

use crate::authz::Permitted;
use crate::gateway::reply::Reply;
use crate::s3::request::BucketRequest;
use crate::s3::xml::location_constraint;
use crate::store::BucketRow;

/// Answers it.
pub(super) fn answer(bucket: &BucketRow, _permitted: &Permitted<BucketRequest>) -> Reply {
    Reply::xml(location_constraint(&bucket.region))
}
