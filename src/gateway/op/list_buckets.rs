//! ListBuckets: root sees all of them, everybody else their own.

use crate::authn::PrincipalKind;
use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::s3::listing::ContinuationToken;
use crate::s3::request::ListBucketsRequest;
use crate::s3::xml::{self, BucketEntry, BucketPage};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(call: &Call<'_>, permitted: Permitted<ListBucketsRequest>) -> Result<Reply, Failure> {
    let request = permitted.request();
    let buckets = call.objects().buckets().await?;
    let mut shown: Vec<&BucketRow> = buckets.iter().filter(|bucket| is_shown(call, request, bucket)).collect();
    let max = request.max_buckets.and_then(|max| usize::try_from(max).ok()).unwrap_or(shown.len());
    let more = shown.len() > max;
    shown.truncate(max);
    let next = shown.last().filter(|_| more).map(|last| ContinuationToken { after: last.name.as_str().to_owned() });
    let entries: Vec<BucketEntry<'_>> = shown
        .iter()
        .map(|bucket| BucketEntry { name: bucket.name.as_str(), created: bucket.created, region: &bucket.region })
        .collect();
    let page = BucketPage { buckets: &entries, next: next.as_ref() };
    let owner = terms::OwnerText::of(call.principal());
    Ok(Reply::xml(xml::list_all_my_buckets_result(request, &page, &owner.as_xml())))
}

fn is_shown(call: &Call<'_>, request: &ListBucketsRequest, bucket: &BucketRow) -> bool {
    let principal = call.principal();
    let visible = principal.kind == PrincipalKind::Root || bucket.owner == principal.id;
    visible
        && request.prefix.as_deref().is_none_or(|prefix| bucket.name.as_str().starts_with(prefix))
        && request.continuation.as_ref().is_none_or(|token| bucket.name.as_str() > token.after.as_str())
        && request.bucket_region.as_deref().is_none_or(|region| region == bucket.region)
}
