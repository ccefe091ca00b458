//! ListMultipartUploads.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{UploadListRequest, UploadListing};
use crate::s3::checksum::MultipartChecksum;
use crate::s3::request::ListMultipartUploadsRequest;
use crate::s3::xml::{self, NextUpload, UploadEntry, UploadPage};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<ListMultipartUploadsRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let asked = UploadListRequest {
        prefix: request.prefix.clone(),
        delimiter: request.delimiter.clone(),
        key_marker: request.key_marker.clone(),
        upload_id_marker: request.upload_id_marker.clone(),
        max_entries: request.max_uploads,
    };
    let listing = match request.max_uploads {
        0 => UploadListing::default(),
        _ => call.objects().list_uploads(bucket, &asked).await?,
    };
    let uploads: Vec<UploadEntry<'_>> = listing
        .uploads
        .iter()
        .map(|upload| UploadEntry {
            key: upload.key.as_str(),
            upload_id: &upload.upload_id,
            initiated: upload.initiated,
            checksum: upload.checksum.map(|(algorithm, kind)| MultipartChecksum { algorithm, kind }),
        })
        .collect();
    let page = UploadPage {
        uploads: &uploads,
        common_prefixes: &listing.common_prefixes,
        next: listing.next.as_ref().map(|(key, upload_id)| NextUpload { key, upload_id }),
    };
    let owner = terms::OwnerText::of_bucket(bucket, call.principal());
    Ok(Reply::xml(xml::list_multipart_uploads_result(request, &page, &owner.as_xml())))
}
