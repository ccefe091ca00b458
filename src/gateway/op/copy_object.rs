//! CopyObject: the source is authorised, conditioned and opened first; the copy itself may take minutes.

use std::sync::Arc;

use crate::authz::Permitted;
use crate::base::PrincipalId;
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::keep_alive;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::{CopyFacts, CopyFrom, CopyTo, NewObject, ObjectError, ObjectFacts, Objects, Written};
use crate::s3::conditions::{ReadConditions, Verdict};
use crate::s3::copy_source::CopySource;
use crate::s3::request::{CopyObjectRequest, Metadata, Tagging};
use crate::s3::{Operation, answer, xml};
use crate::store::BucketRow;
use crate::upstream::Tags;

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
    let from = CopyFrom { bucket: source_bucket.clone(), key: request.source.key.clone(), version: None };
    let to = CopyTo {
        bucket: bucket.clone(),
        key: request.key.clone(),
        checksum: request.checksum_algorithm,
        guard: terms::guard(&request.condition),
    };
    let admit = {
        let conditions = request.source_conditions.clone();
        move |facts: &ObjectFacts| check_source(&conditions, facts, now)
    };
    let open = call.objects().open_copy(from.clone(), to.clone(), &admit).await;
    let open = open.map_err(|error| Failure::from(error).about_key(&from.key))?;
    open.admitted.map_err(Refusal::failure)?;
    let tags = CopiedTags::of(call, &request, &source_bucket, &open.facts)?;

    let (gateway, owner) = (Arc::clone(call.gateway), permit.principal());
    let outcome = async move {
        let objects = &gateway.parts.objects;
        let mut open = open;
        let mut tries_left = 1;
        let written = loop {
            let new = new_facts(objects, &request, &from, &tags, &open.facts, owner).await?;
            match objects.copy(open, new).await {
                // Replaced meanwhile: once more from what is there now, if the client wants that, too.
                Err(ObjectError::SourceChanged) if tries_left > 0 => {
                    tries_left -= 1;
                    let again = objects.open_copy(from.clone(), to.clone(), &admit).await;
                    open = again.map_err(|error| Failure::from(error).about_key(&from.key))?;
                    open.admitted.map_err(Refusal::failure)?;
                }
                outcome => break outcome?,
            }
        };
        Ok(document(&written))
    };
    keep_alive::answer(Box::pin(outcome), call.place.clone()).await
}

fn document(written: &Written) -> Reply {
    let document = xml::copy_object_result(written.etag, written.last_modified, written.checksum.as_ref());
    Reply::xml(document).with(answer::put_headers(None, None))
}

/// What the copy says of itself, by the directives of the request.
async fn new_facts(
    objects: &Objects,
    request: &CopyObjectRequest,
    from: &CopyFrom,
    tags: &CopiedTags,
    facts: &ObjectFacts,
    owner: PrincipalId,
) -> Result<CopyFacts, Failure> {
    let tags = match tags {
        CopiedTags::These(tags) => tags.clone(),
        CopiedTags::Source | CopiedTags::None if facts.tag_count == 0 => Tags::new(),
        CopiedTags::Source => objects.tags(&from.bucket, &from.key).await?,
        // The caller's right to tags was not asked for when there were none.
        CopiedTags::None => return Err(ObjectError::SourceChanged.into()),
    };
    let replace = match request.metadata.clone() {
        Metadata::Copy => None,
        Metadata::Replace(content, metadata) => Some(NewObject {
            content_headers: terms::content_headers(content),
            user_metadata: terms::user_metadata(metadata),
            owner,
            tags: tags.clone(),
        }),
    };
    Ok(CopyFacts { replace, owner, tags })
}

/// Which tags the copy gets.
enum CopiedTags {
    /// The client's.
    These(Tags),
    /// The source's, which the caller may read.
    Source,
    /// The source has none.
    None,
}

impl CopiedTags {
    /// The tags of the source are a right of their own.
    fn of(
        call: &Call<'_>,
        request: &CopyObjectRequest,
        bucket: &BucketRow,
        facts: &ObjectFacts,
    ) -> Result<Self, Failure> {
        match request.tagging.clone() {
            Tagging::Replace(tags) => Ok(Self::These(tags.into_pairs())),
            Tagging::Copy if facts.tag_count == 0 => Ok(Self::None),
            Tagging::Copy => {
                let version = terms::version_name(request.source.version);
                call.permit_object(Operation::GetObjectTagging, bucket, &request.source.key, version)?;
                Ok(Self::Source)
            }
        }
    }
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
}

impl Refusal {
    /// As an answer.
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Condition(header) => Failure::client(Code::PreconditionFailed).and("Condition", header),
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
