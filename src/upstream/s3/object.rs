//! Objects: PUT, GET, HEAD, DELETE.

use crate::base::limits::MAX_OBJECT_BYTES;
use crate::base::{BucketName, ObjectKey};
use crate::upstream::{
    BodyReader, DeleteReply, GetReply, ObjectRef, PutBody, StoredFacts, StoredRange, Tags, UpstreamError, UpstreamEtag,
    WriteCondition,
};

use super::S3Upstream;
use super::call::{Call, Method, Replay};
use super::client::Reply;
use super::facts::{etag_of, facts_of, quoted, stored_at, version_of};
use super::fault::About;
use super::http::{AnswerBody, AnswerHead};
use super::tags;

/// The media type of everything: anything else invites gateways to look into it, or to compress it.
pub(super) const CONTENT_TYPE: &str = "application/octet-stream";

pub(super) async fn put(
    upstream: &S3Upstream,
    bucket: &BucketName,
    key: &ObjectKey,
    body: PutBody<'_>,
    condition: WriteCondition,
    tags: &Tags,
) -> Result<StoredFacts, UpstreamError> {
    let client = &upstream.client;
    let call = client
        .call(Method::Put, bucket, Some(key))
        .header("content-type", CONTENT_TYPE.to_owned())
        .optional_header("x-amz-tagging", tags::header(tags));
    let stored_bytes = body.stored_bytes;
    let reply = client.upload(conditional(call, condition), body, upstream.payload_mode(), About::Object).await?;
    // S3 counts ten at most.
    let tag_count = u16::try_from(tags.len()).unwrap_or(u16::MAX);
    Ok(StoredFacts {
        etag: etag_of(&reply.head)?,
        stored_bytes,
        last_modified: stored_at(&reply.head, upstream.now()),
        version: version_of(&reply.head),
        tag_count,
    })
}

/// A write under a condition is not sent twice: the second would be refused because of the first.
pub(super) fn conditional(call: Call, condition: WriteCondition) -> Call {
    match condition {
        WriteCondition::None => call,
        WriteCondition::Absent => call.header("if-none-match", "*".to_owned()).replay(Replay::Unsent),
        WriteCondition::Matches(etag) => call.header("if-match", quoted(&etag)).replay(Replay::Unsent),
    }
}

/// A request about one version of an object.
pub(super) fn about_object(upstream: &S3Upstream, method: Method, object: &ObjectRef) -> Call {
    let call = upstream.client.call(method, &object.bucket, Some(&object.key));
    match &object.version {
        Some(version) => call.query("versionId", &version.0),
        None => call,
    }
}

pub(super) async fn head(upstream: &S3Upstream, object: &ObjectRef) -> Result<StoredFacts, UpstreamError> {
    let call = about_object(upstream, Method::Head, object);
    let reply = upstream.client.send(&call, About::Object).await?;
    let len = reply.head.content_length.ok_or_else(|| broken("an object has no length"))?;
    facts_of(&reply.head, len)
}

pub(super) async fn delete(
    upstream: &S3Upstream,
    object: &ObjectRef,
    condition: WriteCondition,
) -> Result<DeleteReply, UpstreamError> {
    if condition == WriteCondition::Absent {
        return Err(UpstreamError::Unsupported("a DELETE of what is not there"));
    }
    let unconditional = condition == WriteCondition::None;
    let call = conditional(about_object(upstream, Method::Delete, object), condition);
    let head = match upstream.client.ask(&call, About::Removal).await {
        // There are services that refuse to delete what is not there.
        Err(UpstreamError::NoSuchKey) if unconditional => return Ok(DeleteReply::default()),
        answered => answered?.head,
    };
    let (version, delete_marker) = (version_of(&head), head.delete_marker);
    Ok(DeleteReply { version, delete_marker })
}

pub(super) async fn get(
    upstream: &S3Upstream,
    object: &ObjectRef,
    range: StoredRange,
    if_match: Option<&UpstreamEtag>,
) -> Result<GetReply, UpstreamError> {
    let header = range_header(range)?;
    let mut reply = match fetch(upstream, object, header, if_match).await {
        // Of an empty object there is no last byte, and some services have none of a short one either: all of it will do.
        Err(UpstreamError::InvalidRange) if matches!(range, StoredRange::Suffix { .. }) => {
            fetch(upstream, object, None, if_match).await?
        }
        fetched => fetched?,
    };
    let (offset, len, total) = extent(&reply.head, range)?;
    let (facts, described) = (facts_of(&reply.head, total)?, std::mem::take(&mut reply.head.described));
    // There are services that do not look at If-Match.
    if if_match.is_some_and(|expected| *expected != facts.etag) {
        return Err(UpstreamError::PreconditionFailed);
    }
    if reply.body.promised() != Some(len) {
        return Err(broken("an object's body has another length than its head says"));
    }
    Ok(GetReply { facts, described, offset, len, body: Box::new(Download { body: reply.body }) })
}

async fn fetch(
    upstream: &S3Upstream,
    object: &ObjectRef,
    range: Option<String>,
    if_match: Option<&UpstreamEtag>,
) -> Result<Reply, UpstreamError> {
    let call = about_object(upstream, Method::Get, object)
        .optional_header("range", range)
        .optional_header("if-match", if_match.map(quoted));
    upstream.client.send(&call, About::Object).await
}

fn range_header(range: StoredRange) -> Result<Option<String>, UpstreamError> {
    Ok(match range {
        StoredRange::Whole => None,
        StoredRange::Slice { offset, len } => {
            let last = len.checked_sub(1).and_then(|more| offset.checked_add(more));
            // No object reaches that far.
            let last = last.filter(|last| *last < i64::MAX as u64).ok_or(UpstreamError::InvalidRange)?;
            Some(format!("bytes={offset}-{last}"))
        }
        // Beyond the longest object, services count in other integers than we do.
        StoredRange::Suffix { len } => Some(format!("bytes=-{}", len.clamp(1, MAX_OBJECT_BYTES))),
    })
}

/// Offset and length of what comes, and the length of the whole object: what was asked for, or a fault.
fn extent(head: &AnswerHead, range: StoredRange) -> Result<(u64, u64, u64), UpstreamError> {
    let whole = head.content_length.ok_or_else(|| broken("an object has no length"))?;
    match (head.status, range, head.content_range) {
        (200, StoredRange::Whole, _) => Ok((0, whole, whole)),
        // A service that has no ranges, or none for so short an object.
        (200, StoredRange::Slice { offset: 0, len }, _) if len == whole => Ok((0, whole, whole)),
        (200, StoredRange::Suffix { len }, _) if whole <= len => Ok((0, whole, whole)),
        // MinIO says `bytes 0--1/0` of an empty object: no range, and nothing comes.
        (206, StoredRange::Suffix { .. }, None) if whole == 0 => Ok((0, 0, 0)),
        (206, StoredRange::Slice { offset, len }, Some(sent))
            if sent.first == offset && sent.last - sent.first == len - 1 =>
        {
            Ok((offset, len, sent.total))
        }
        (206, StoredRange::Suffix { len }, Some(sent))
            if sent.last == sent.total - 1 && sent.total - sent.first == len.min(sent.total) =>
        {
            Ok((sent.first, sent.total - sent.first, sent.total))
        }
        (200, ..) => Err(broken("it ignores the range of a GET")),
        _ => Err(broken("it sends another range than was asked for")),
    }
}

fn broken(text: &str) -> UpstreamError {
    UpstreamError::Broken(text.to_owned())
}

/// The body of an object on its way down.
struct Download {
    body: AnswerBody,
}

#[async_trait::async_trait]
impl BodyReader for Download {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, UpstreamError> {
        Ok(self.body.read(into).await?)
    }
}
