//! CopyObject: the source is authorised, conditioned and opened first; the copy itself may take minutes.

use std::sync::Arc;

use crate::authz::Permitted;
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::keep_alive;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{CopyObject, NewObject, ObjectFacts};
use crate::s3::conditions::{ReadConditions, Verdict};
use crate::s3::copy_source::CopySource;
use crate::s3::request::{CopyObjectRequest, Metadata, Tagging};
use crate::s3::{Operation, answer, xml};
use crate::store::BucketRow;
use crate::upstream::Tags;

/// S3: CopyObject copies at most 5 GiB; above it is UploadPartCopy's.
const MAX_COPY_BYTES: u64 = 5 << 30;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<CopyObjectRequest>,
    body_bytes: Option<u64>,
) -> Result<Reply, Failure> {
    refuse_body(body_bytes)?;
    let (permit, request) = permitted.into_parts();
    let source_bucket = permitted_source(call, &request.source).await?;
    let now = call.clock().now();
    let select = |facts: &ObjectFacts| match admit(&request.source_conditions, facts, now) {
        Ok(()) => (Ok(()), Some(0..facts.plaintext_bytes())),
        Err(refusal) => (Err(refusal), None),
    };
    let source = call.objects().get(&source_bucket, &request.source.key, None, select).await;
    let source = source.map_err(|error| Failure::from(error).about_key(&request.source.key))?;
    source.decision.map_err(Refusal::failure)?;

    let tags = match request.tagging.clone() {
        Tagging::Replace(tags) => tags.into_pairs(),
        Tagging::Copy => source_tags(call, &source_bucket, &request.source, &source.facts).await?,
    };
    let owner = permit.principal();
    let replace = match request.metadata.clone() {
        Metadata::Copy => None,
        Metadata::Replace(content, metadata) => Some(NewObject {
            content_headers: terms::content_headers(content),
            user_metadata: terms::user_metadata(metadata),
            owner,
            tags: tags.clone(),
        }),
    };
    let (gateway, bucket) = (Arc::clone(call.gateway), bucket.clone());
    let mut source = source;
    let outcome = async move {
        let copy = CopyObject {
            bucket: &bucket,
            key: &request.key,
            source: &mut source,
            replace,
            owner,
            tags,
            checksum: request.checksum_algorithm,
            guard: terms::guard(&request.condition),
        };
        let written = gateway.parts.objects.copy(copy).await?;
        let document = xml::copy_object_result(written.etag, written.last_modified, written.checksum.as_ref());
        Ok(Reply::xml(document).with(answer::put_headers(None, None)))
    };
    keep_alive::answer(Box::pin(outcome), call.place.clone()).await
}

/// A copy with a body would be a PUT whose body is ignored.
pub(super) fn refuse_body(body_bytes: Option<u64>) -> Result<(), Failure> {
    match body_bytes {
        None | Some(0) => Ok(()),
        Some(_) => Err(Failure::client(Code::InvalidRequest).saying("The body of a copy request must be empty.")),
    }
}

/// The source's bucket, once the caller may read this object of it, at this version: whoever may write the destination
/// may not therefore read everything.
pub(super) async fn permitted_source(call: &Call<'_>, source: &CopySource) -> Result<BucketRow, Failure> {
    let bucket = call.bucket(&source.bucket).await?;
    let version = terms::version_name(source.version);
    call.permit_object(Operation::GetObject, &bucket, &source.key, version)?;
    Ok(bucket)
}

/// Why a source is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The condition of this header does not hold.
    Condition(&'static str),
    /// More than one CopyObject copies.
    TooLarge,
}

impl Refusal {
    /// As an answer.
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Condition(header) => Failure::client(Code::PreconditionFailed).and("Condition", header),
            Self::TooLarge => Failure::client(Code::InvalidRequest).saying(
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
            ),
        }
    }
}

/// Holds the conditions on the source against its facts.
pub(super) fn check_source(
    conditions: &ReadConditions,
    facts: &ObjectFacts,
    now: crate::base::Timestamp,
) -> Result<(), Refusal> {
    match conditions.evaluate_copy_source(&facts.etag().to_string(), facts.last_modified, now) {
        Verdict::Proceed => Ok(()),
        Verdict::PreconditionFailed(header) => Err(Refusal::Condition(header)),
        // Not an outcome for a source; were it one, nothing would be copied.
        Verdict::NotModified => Err(Refusal::Condition("x-amz-copy-source-If-None-Match")),
    }
}

fn admit(conditions: &ReadConditions, facts: &ObjectFacts, now: crate::base::Timestamp) -> Result<(), Refusal> {
    check_source(conditions, facts, now)?;
    if facts.plaintext_bytes() > MAX_COPY_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
}

async fn source_tags(
    call: &Call<'_>,
    bucket: &BucketRow,
    source: &CopySource,
    facts: &ObjectFacts,
) -> Result<Tags, Failure> {
    if facts.tag_count == 0 {
        return Ok(Tags::new());
    }
    // The tags are a right of their own.
    call.permit_object(Operation::GetObjectTagging, bucket, &source.key, terms::version_name(source.version))?;
    Ok(call.objects().tags(bucket, &source.key).await?)
}
