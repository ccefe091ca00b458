//! DeleteBucket: 204, once it is empty.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::s3::request::BucketRequest;
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<BucketRequest>,
) -> Result<Reply, Failure> {
    let named = |error| Failure::from(error).and("BucketName", permitted.request().bucket.as_str());
    call.objects().delete_bucket(bucket).await.map_err(named)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
