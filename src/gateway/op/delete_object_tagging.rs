//! DeleteObjectTagging.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::s3::request::ObjectRequest;
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<ObjectRequest>,
) -> Result<Reply, Failure> {
    let key = &permitted.request().key;
    let removed = call.objects().set_tags(bucket, key, &Vec::new()).await;
    removed.map_err(|error| Failure::from(error).about_key(key))?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
