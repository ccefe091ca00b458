//! GetObject: conditions, ranges and parts are decided on verified facts, and the decision holds for exactly the bytes
//! that follow.

use std::ops::Range;

use http::StatusCode;
use http::header::CONTENT_RANGE;

use crate::authz::Permitted;
use crate::base::{PartNumber, Timestamp};
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::facts;
use crate::gateway::reply::Reply;
use crate::objects::ObjectFacts;
use crate::s3::answer::Served;
use crate::s3::conditions::Verdict;
use crate::s3::range::{Requested, requested};
use crate::s3::request::GetObjectRequest;
use crate::store::BucketRow;

/// What an object's facts make of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// These bytes are the answer.
    Send(Served),
    /// The client has it already.
    NotModified,
    /// The condition of this header does not hold.
    PreconditionFailed(&'static str),
    /// No byte of the range is in the object.
    RangeUnsatisfiable,
    /// The object has no such part.
    NoSuchPart(PartNumber),
}

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<GetObjectRequest>,
) -> Result<Reply, Failure> {
    let request = permitted.request();
    let now = call.clock().now();
    let select = |facts: &ObjectFacts| {
        let decision = decide(request, facts, now);
        let range = decision.range(facts);
        (decision, range)
    };
    // The only version of an object is the current one, by whichever name.
    let opened = call.objects().get(bucket, &request.key, None, select).await;
    let opened = opened.map_err(|error| Failure::from(error).about_key(&request.key))?;
    let mut reply = head_of(request, &opened.facts, &opened.decision)?;
    if let Some(body) = opened.body {
        reply.stream(body);
    }
    Ok(reply)
}

/// Conditions first, in S3's order, then the part or range.
pub(super) fn decide(request: &GetObjectRequest, facts: &ObjectFacts, now: Timestamp) -> Decision {
    let etag = facts.etag().to_string();
    match request.conditions.evaluate(&etag, facts.last_modified, now) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Decision::NotModified,
        Verdict::PreconditionFailed(header) => return Decision::PreconditionFailed(header),
    }
    if let Some(number) = request.part_number {
        return facts::part(facts, number).map_or(Decision::NoSuchPart(number), Decision::Send);
    }
    // A range of another object than the client has is no use to it: it gets the whole one.
    let stale = request.if_range.as_ref().is_some_and(|if_range| !if_range.holds(&etag, facts.last_modified));
    let range = request.range.as_deref().filter(|_| !stale);
    match requested(range, facts.plaintext_bytes()) {
        Requested::Full => Decision::Send(Served::Whole),
        Requested::Partial(range) => Decision::Send(Served::Range(range)),
        Requested::Unsatisfiable => Decision::RangeUnsatisfiable,
    }
}

impl Decision {
    /// The plaintext to fetch.
    fn range(&self, facts: &ObjectFacts) -> Option<Range<u64>> {
        match self {
            Self::Send(served) => Some(served.bytes(facts.plaintext_bytes())),
            Self::NotModified | Self::PreconditionFailed(_) | Self::RangeUnsatisfiable | Self::NoSuchPart(_) => None,
        }
    }
}

/// The answer but for its body: the same for GET and HEAD.
pub(super) fn head_of(request: &GetObjectRequest, facts: &ObjectFacts, decision: &Decision) -> Result<Reply, Failure> {
    let size = facts.plaintext_bytes();
    match decision {
        Decision::Send(served) => {
            let headers = facts::object_headers(facts, served, request.checksum_mode, &request.overrides);
            // Part 1 of an empty object has no bytes to name, and is the object.
            let partial = headers.contains_key(CONTENT_RANGE);
            let status = if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
            Ok(Reply::with_headers(status, headers))
        }
        Decision::NotModified => Ok(Reply::with_headers(StatusCode::NOT_MODIFIED, facts::not_modified_headers(facts))),
        Decision::PreconditionFailed(header) => {
            Err(Failure::client(Code::PreconditionFailed).and("Condition", *header))
        }
        Decision::RangeUnsatisfiable => Err(Failure::client(Code::InvalidRange)
            .and("RangeRequested", request.range.as_deref().unwrap_or_default())
            .and("ActualObjectSize", size.to_string())
            .header(CONTENT_RANGE, format!("bytes */{size}"))),
        Decision::NoSuchPart(number) => Err(Failure::client(Code::InvalidPartNumber)
            .and("PartNumberRequested", number.get().to_string())
            .and("ActualPartCount", facts.manifest.parts.len().to_string())),
    }
}
