//! ListObjects, the first version.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{ListedEntry, Listing};
use crate::s3::request::ListObjectsRequest;
use crate::s3::xml::{self, ListPage, ObjectEntry};
use crate::store::BucketRow;
use crate::upstream::ListRequest;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<ListObjectsRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let asked = ListRequest {
        prefix: request.prefix.clone(),
        delimiter: request.delimiter.clone(),
        after: request.marker.clone(),
        max_entries: request.max_keys,
    };
    let listing = list(call, bucket, &asked).await?;
    let owner = terms::OwnerText::of_bucket(bucket, call.principal());
    let entries = entries(&listing);
    Ok(Reply::xml(xml::list_bucket_result(request, &page(&listing, &entries), &owner.as_xml())))
}

/// A page; no entries asked for is an empty page that is not truncated, as S3 has it.
pub(super) async fn list(call: &Call<'_>, bucket: &BucketRow, asked: &ListRequest) -> Result<Listing, Failure> {
    if asked.max_entries == 0 {
        return Ok(Listing::default());
    }
    Ok(call.objects().list(bucket, asked).await?)
}

/// The objects of a page, in the words of XML.
pub(super) fn entries(listing: &Listing) -> Vec<ObjectEntry<'_>> {
    listing.entries.iter().map(object_entry).collect()
}

fn object_entry(entry: &ListedEntry) -> ObjectEntry<'_> {
    ObjectEntry {
        key: entry.key.as_str(),
        last_modified: entry.last_modified,
        etag: entry.etag,
        size_bytes: entry.plaintext_bytes,
        checksum: entry.checksum,
    }
}

/// A page, in the words of XML.
pub(super) fn page<'a>(listing: &'a Listing, objects: &'a [ObjectEntry<'a>]) -> ListPage<'a> {
    ListPage { objects, common_prefixes: &listing.common_prefixes, next_after: listing.next_after.as_deref() }
}
