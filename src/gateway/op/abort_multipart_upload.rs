//! AbortMultipartUpload.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::s3::request::UploadRequest;
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<UploadRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let aborted = call.objects().abort_upload(bucket, &request.key, &request.upload_id).await;
    aborted.map_err(|error| Failure::from(error).about_upload(&request.upload_id))?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
