//! UploadPart.

use http::StatusCode;

use crate::authz::Permitted;
use crate::gateway::body::Arriving;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::objects::{ObjectError, PartChecksum, UploadPart};
use crate::s3::answer;
use crate::s3::request::UploadPartRequest;
use crate::store::BucketRow;

use super::put_object::upload_bytes;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<UploadPartRequest>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let plaintext_bytes = upload_bytes(call, body)?;
    let part = UploadPart {
        bucket,
        key: &request.key,
        upload_id: &request.upload_id,
        number: request.part_number,
        plaintext_bytes,
        checksum: request.checksums.checksum.algorithm().map_or(PartChecksum::Unsent, PartChecksum::Sent),
    };
    let mut upload = body.upload(call.who.payload(), request.checksums, plaintext_bytes);
    let outcome = call.objects().upload_part(part, &mut upload).await;
    let written = match outcome {
        Ok(written) => written,
        Err(ObjectError::Body(_)) => return Err(upload.failure()),
        Err(error) => return Err(Failure::from(error).about_upload(&request.upload_id)),
    };
    let headers = answer::part_headers(written.etag, written.digest.as_ref());
    Ok(Reply::with_headers(StatusCode::OK, headers))
}
