//! DeleteObject: 204, whether the object was there or not.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::s3::request::DeleteObjectRequest;
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<DeleteObjectRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let guard = terms::guard(&request.condition);
    let deleted = call.objects().delete(bucket, &request.key, None, guard).await;
    deleted.map_err(|error| Failure::from(error).about_key(&request.key))?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
