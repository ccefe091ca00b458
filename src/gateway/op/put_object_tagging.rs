//! PutObjectTagging: replaces all tags.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::body::Arriving;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::s3::request::PutObjectTaggingRequest;
use crate::s3::xml::{MAX_TAGGING_XML_BYTES, put_tagging};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<PutObjectTaggingRequest>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let key = &request.object.key;
    let document = body.document(call.who.payload(), request.checksums, MAX_TAGGING_XML_BYTES).await?;
    let tags = put_tagging(&document)?.into_pairs();
    let stored = call.objects().set_tags(bucket, key, &tags).await;
    stored.map_err(|error| Failure::from(error).about_key(key))?;
    Ok(Reply::empty(StatusCode::OK))
}
