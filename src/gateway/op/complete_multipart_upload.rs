//! CompleteMultipartUpload. It goes on when its client goes away: the retry then finds the result.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;

use crate::authz::Permitted;
use crate::gateway::Scheme;
use crate::gateway::body::Arriving;
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::keep_alive;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{CompleteUpload, CompletedPart, ObjectError};
use crate::s3::request::CompleteMultipartUploadRequest;
use crate::s3::xml::{self, CompletedUpload, MAX_COMPLETE_XML_BYTES};
use crate::s3::{answer as headers, xml::complete_multipart_upload};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<CompleteMultipartUploadRequest>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let (_permit, request) = permitted.into_parts();
    let document = body.document(call.who.payload(), request.document, MAX_COMPLETE_XML_BYTES).await?;
    let listed =
        complete_multipart_upload(&document).map_err(|fault| Failure::from(fault).about_upload(&request.upload_id))?;
    let parts: Vec<CompletedPart> = listed
        .iter()
        .map(|part| CompletedPart {
            number: part.number,
            etag: terms::part_etag(&part.etag),
            digests: part.checksums.clone(),
        })
        .collect();
    // A composite value says how many parts it is over.
    let claimed = request.checksum.and_then(|claim| claim.parts);
    if claimed.is_some_and(|claimed| usize::from(claimed) != parts.len()) {
        return Err(Failure::client(Code::BadDigest));
    }
    let location = location(call.scheme(), call.head);
    let (gateway, bucket) = (Arc::clone(call.gateway), bucket.clone());
    let work = async move {
        let complete = CompleteUpload {
            bucket: &bucket,
            key: &request.key,
            upload_id: &request.upload_id,
            parts,
            checksum: request.checksum.map(|claim| claim.digest),
            checksum_type: request.checksum_type,
            object_bytes: request.object_bytes,
            guard: terms::guard(&request.condition),
        };
        let completed = gateway.parts.objects.complete_upload(complete).await;
        let written = completed.map_err(|error| refused(error, &request.upload_id, &listed))?;
        let document = xml::complete_multipart_upload_result(&CompletedUpload {
            location: &location,
            bucket: &request.bucket,
            key: &request.key,
            etag: written.etag,
            checksum: written.checksum,
        });
        Ok(Reply::xml(document).with(headers::put_headers(None, None)))
    };
    let running = tokio::spawn(work);
    let outcome = async move {
        running.await.unwrap_or_else(|_panicked| Err(Failure::internal("completing an upload panicked")))
    };
    keep_alive::answer(Box::pin(outcome), call.place.clone()).await
}

/// With the ETag that the client listed, where the refusal is about one part.
fn refused(error: ObjectError, upload_id: &str, listed: &[xml::CompletedPart]) -> Failure {
    let about = match error {
        ObjectError::InvalidPart { number } | ObjectError::PartTooSmall { number, .. } => Some(number),
        _ => None,
    };
    let failure = Failure::from(error).about_upload(upload_id);
    match listed.iter().find(|part| Some(part.number) == about) {
        // S3 writes it without quotes here.
        Some(part) => failure.and("ETag", part.etag.trim_matches('"')),
        None => failure,
    }
}

/// Where the object is, as this client names us.
fn location(scheme: Scheme, head: &Parts) -> String {
    let path = head.uri.path();
    match head.headers.get(HOST).and_then(|host| host.to_str().ok()) {
        Some(host) => format!("{}://{host}{path}", scheme.name()),
        None => path.to_owned(),
    }
}
