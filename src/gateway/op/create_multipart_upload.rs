//! CreateMultipartUpload.

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{CreateUpload, NewObject};
use crate::s3::request::CreateMultipartUploadRequest;
use crate::s3::{answer, xml};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<CreateMultipartUploadRequest>,
) -> Result<Reply, Failure> {
    let (permit, request) = permitted.into_parts();
    let create = CreateUpload {
        bucket,
        key: &request.key,
        object: NewObject {
            content_headers: terms::content_headers(request.content),
            user_metadata: terms::user_metadata(request.metadata),
            owner: permit.principal(),
            tags: request.tags.into_pairs(),
        },
        checksum: request.checksum.map(|checksum| (checksum.algorithm, checksum.kind)),
    };
    let created = call.objects().create_upload(create).await?;
    let document = xml::initiate_multipart_upload_result(&request.bucket, &request.key, &created.upload_id);
    Ok(Reply::xml(document).with(answer::upload_headers(request.checksum)))
}
