//! HeadObject: what GetObject would answer, without its body.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::objects::ObjectFacts;
use crate::s3::request::GetObjectRequest;
use crate::store::BucketRow;

use super::get_object::{decide, head_of};

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<GetObjectRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let now = call.clock().now();
    let select = |facts: &ObjectFacts| (decide(request, facts, now), None);
    let opened = call.objects().get(bucket, &request.key, None, select).await;
    let opened = opened.map_err(|error| Failure::from(error).about_key(&request.key))?;
    head_of(request, &opened.facts, &opened.decision)
}
