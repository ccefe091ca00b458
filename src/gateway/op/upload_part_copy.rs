//! UploadPartCopy: a part out of an object that is here already. It is always sealed anew, under the upload's key.

use std::ops::Range;
use std::sync::Arc;

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::keep_alive;
use crate::gateway::reply::Reply;
use crate::objects::{ObjectError, ObjectFacts, PartChecksum, UploadPart};
use crate::s3::request::UploadPartCopyRequest;
use crate::s3::{answer, xml};
use crate::store::BucketRow;

use super::copy_object::{Refusal, check_source, permitted_source, refuse_body};

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<UploadPartCopyRequest>,
    body_bytes: Option<u64>,
) -> Result<Reply, Failure> {
    refuse_body(body_bytes)?;
    let (_permit, request) = permitted.into_parts();
    let source_bucket = permitted_source(call, &request.source).await?;
    let now = call.clock().now();
    let select = |facts: &ObjectFacts| {
        let admitted = check_source(&request.source_conditions, facts, now).map_err(SourceFault::Refused);
        match admitted.and_then(|()| range_of(request.range.clone(), facts.plaintext_bytes())) {
            Ok(range) => (Ok(()), Some(range)),
            Err(fault) => (Err(fault), None),
        }
    };
    let source = call.objects().get(&source_bucket, &request.source.key, None, select).await;
    let source = source.map_err(|error| Failure::from(error).about_key(&request.source.key))?;
    source.decision.map_err(SourceFault::failure)?;
    let mut reader = source.body.ok_or_else(|| Failure::internal("a source was opened without its bytes"))?;

    let (gateway, bucket) = (Arc::clone(call.gateway), bucket.clone());
    let outcome = async move {
        let part = UploadPart {
            bucket: &bucket,
            key: &request.key,
            upload_id: &request.upload_id,
            number: request.part_number,
            plaintext_bytes: reader.remaining(),
            checksum: PartChecksum::Made,
        };
        let written = match gateway.parts.objects.upload_part(part, &mut reader).await {
            Ok(written) => written,
            // The source could not be read to its end: its fault, not the client's.
            Err(ObjectError::Body(refused)) => {
                return Err(reader.take_fault().unwrap_or(ObjectError::Body(refused)).into());
            }
            Err(error) => return Err(Failure::from(error).about_upload(&request.upload_id)),
        };
        let document = xml::copy_part_result(written.etag, written.last_modified, written.digest.as_ref());
        Ok(Reply::xml(document).with(answer::put_headers(None, None)))
    };
    keep_alive::answer(Box::pin(outcome), call.place.clone()).await
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SourceFault {
    Refused(Refusal),
    Range { size: u64 },
}

impl SourceFault {
    fn failure(self) -> Failure {
        match self {
            Self::Refused(refusal) => refusal.failure(),
            Self::Range { size } => Failure::client(Code::InvalidArgument)
                .saying(format!("Range specified is not valid for source object of size: {size}"))
                .and("ArgumentName", "x-amz-copy-source-range"),
        }
    }
}

/// The bytes to copy: a range here is exact, S3 does not clamp it.
fn range_of(asked: Option<Range<u64>>, size: u64) -> Result<Range<u64>, SourceFault> {
    match asked {
        None => Ok(0..size),
        Some(range) if range.end <= size => Ok(range),
        Some(_) => Err(SourceFault::Range { size }),
    }
}
