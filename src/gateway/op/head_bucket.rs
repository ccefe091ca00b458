//! HeadBucket: that the bucket is there, and its region, by which SDKs find their endpoint.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::reply::Reply;
use crate::s3::answer::BUCKET_REGION;
use crate::s3::request::BucketRequest;
use crate::store::BucketRow;

/// Answers it.
pub(super) fn answer(bucket: &BucketRow, _permitted: &Permitted<BucketRequest>) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(BUCKET_REGION, &bucket.region);
    reply
}
