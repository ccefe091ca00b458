//! GetObjectTagging.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::s3::request::ObjectRequest;
use crate::s3::xml::tagging;
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<ObjectRequest>,
) -> Result<Reply, Failure> {
    let key = &permitted.request().key;
    let tags = call.objects().tags(bucket, key).await;
    let tags = tags.map_err(|error| Failure::from(error).about_key(key))?;
    Ok(Reply::xml(tagging(&tags)))
}
