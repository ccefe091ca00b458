//! PutObject.

use http::StatusCode;

use crate::authz::Permitted;
use crate::base::ChecksumAlgorithm;
use crate::gateway::body::Arriving;
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{NewObject, ObjectError, PutObject};
use crate::s3::answer;
use crate::s3::request::PutObjectRequest;
use crate::store::BucketRow;

/// S3: one PUT stores at most 5 GiB; above it is multipart's.
const MAX_PUT_BYTES: u64 = 5 << 30;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<PutObjectRequest>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let (permit, request) = permitted.into_parts();
    let plaintext_bytes = upload_bytes(call, body)?;
    let checksum = request.checksums.checksum.algorithm().unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let put = PutObject {
        bucket,
        key: &request.key,
        plaintext_bytes,
        object: NewObject {
            content_headers: terms::content_headers(request.content),
            user_metadata: terms::user_metadata(request.metadata),
            owner: permit.principal(),
            tags: request.tags.into_pairs(),
        },
        checksum,
        guard: terms::guard(&request.condition),
    };
    let mut upload = body.upload(call.who.payload(), request.checksums, plaintext_bytes);
    let outcome = call.objects().put(put, &mut upload).await;
    match outcome {
        Ok(written) => {
            let headers = answer::put_headers(Some(written.etag), written.checksum.as_ref());
            Ok(Reply::with_headers(StatusCode::OK, headers))
        }
        Err(ObjectError::Body(_)) => Err(upload.failure()),
        Err(error) => Err(error.into()),
    }
}

/// The length of a PUT or part, which must be known and legal before the first byte is asked for.
pub(super) fn upload_bytes(call: &Call<'_>, body: &Arriving) -> Result<u64, Failure> {
    match body.payload_bytes(call.who.payload()) {
        None => Err(Failure::client(Code::MissingContentLength)),
        Some(bytes) if bytes > MAX_PUT_BYTES => Err(Failure::client(Code::EntityTooLarge)
            .and("ProposedSize", bytes.to_string())
            .and("MaxSizeAllowed", MAX_PUT_BYTES.to_string())),
        Some(bytes) => Ok(bytes),
    }
}
