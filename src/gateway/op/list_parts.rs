//! ListParts.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::s3::checksum::MultipartChecksum;
use crate::s3::request::ListPartsRequest;
use crate::s3::xml::{self, More, PartEntry, PartPage};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<ListPartsRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let (after, max) = (request.after, request.max_parts);
    let list = call.objects().list_parts(bucket, &request.key, &request.upload_id, after, max).await;
    let list = list.map_err(|error| Failure::from(error).about_upload(&request.upload_id))?;
    // S3 shows a part's checksum only where the upload was begun with one.
    let shown = list.checksum.is_some();
    let parts: Vec<PartEntry> = list
        .parts
        .iter()
        .map(|part| PartEntry {
            number: part.number,
            last_modified: part.last_modified,
            etag: part.etag,
            size_bytes: part.plaintext_bytes,
            checksum: part.digest.filter(|_| shown),
        })
        .collect();
    let page = PartPage {
        parts: &parts,
        more: if list.truncated && max > 0 { More::Yes } else { More::No },
        checksum: list.checksum.map(|(algorithm, kind)| MultipartChecksum { algorithm, kind }),
    };
    let owner = terms::OwnerText::named(list.owner, call.principal());
    Ok(Reply::xml(xml::list_parts_result(request, &page, &owner.as_xml())))
}
