//! ListObjectsV2.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::s3::request::ListObjectsV2Request;
use crate::s3::xml;
use crate::store::BucketRow;
use crate::upstream::ListRequest;

use super::list_objects::{entries, list, page};

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<ListObjectsV2Request>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let asked = ListRequest {
        prefix: request.prefix.clone(),
        delimiter: request.delimiter.clone(),
        after: request.after().map(str::to_owned),
        max_entries: request.max_keys,
    };
    let listing = list(call, bucket, &asked).await?;
    let owner = terms::OwnerText::of_bucket(bucket, call.principal());
    let entries = entries(&listing);
    Ok(Reply::xml(xml::list_bucket_result_v2(request, &page(&listing, &entries), &owner.as_xml())))
}
