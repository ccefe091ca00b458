//! Conditional writes. What counts is not the status but the bytes afterwards: some services answer 200 and overwrite,
//! some answer 412 and overwrite all the same.

use crate::upstream::{UpstreamError, WriteCondition};

use super::workspace::{Checked, Workspace, lacks, other_etag};

const IF_NONE_MATCH: &str = "If-None-Match: *";
const IF_MATCH: &str = "If-Match";

/// PutObject.
pub(super) async fn put(w: &Workspace<'_>) -> Checked {
    let name = "conditions/put";
    let first = w.put_if(name, b"first", WriteCondition::Absent).await?;
    w.refused(w.put_if(name, b"second", WriteCondition::Absent).await, name, b"first", IF_NONE_MATCH).await?;
    let other = WriteCondition::Matches(other_etag());
    w.refused(w.put_if(name, b"third", other).await, name, b"first", IF_MATCH).await?;
    let same = w.put_if(name, b"fourth", WriteCondition::Matches(first.etag.clone())).await;
    accepted(w, same, name, b"fourth").await?;
    // An ETag of the past is another one: some only look whether there is one.
    let past = WriteCondition::Matches(first.etag);
    w.refused(w.put_if(name, b"fifth", past).await, name, b"fourth", IF_MATCH).await?;
    let missing = "conditions/missing";
    absent(w, w.put_if(missing, b"sixth", WriteCondition::Matches(other_etag())).await, missing).await
}

/// CompleteMultipartUpload. An upload each: a refused Complete may use its upload up.
pub(super) async fn complete(w: &Workspace<'_>) -> Checked {
    let name = "conditions/complete";
    let before = w.put(name, b"first").await?;
    let finish = async |bytes: &[u8], condition| {
        let upload = w.begin(name).await?;
        let part = w.part(&upload, 1, bytes).await?;
        w.complete(&upload, &[(1, part.etag)], condition).await
    };
    w.refused(finish(b"second", WriteCondition::Absent).await, name, b"first", IF_NONE_MATCH).await?;
    let other = WriteCondition::Matches(other_etag());
    w.refused(finish(b"third", other).await, name, b"first", IF_MATCH).await?;
    accepted(w, finish(b"fourth", WriteCondition::Matches(before.etag)).await, name, b"fourth").await
}

/// DeleteObject.
pub(super) async fn delete(w: &Workspace<'_>) -> Checked {
    let name = "conditions/delete";
    let before = w.put(name, b"first").await?;
    let other = WriteCondition::Matches(other_etag());
    w.refused(w.delete(name, other).await, name, b"first", IF_MATCH).await?;
    w.delete(name, WriteCondition::Matches(before.etag)).await?;
    match w.head(name).await {
        Err(UpstreamError::NoSuchKey) => Ok(()),
        Ok(_) => Err(lacks("answers 204 to If-Match that holds, and deletes nothing")),
        Err(error) => Err(error.into()),
    }
}

async fn accepted<T>(w: &Workspace<'_>, outcome: Result<T, UpstreamError>, name: &str, bytes: &[u8]) -> Checked {
    match outcome {
        Ok(_) if w.get(name).await?.bytes == bytes => Ok(()),
        Ok(_) => Err(lacks("answers 200 to If-Match that holds, and stores nothing")),
        Err(UpstreamError::PreconditionFailed) => Err(lacks("refuses If-Match that holds")),
        Err(error) => Err(error.into()),
    }
}

async fn absent<T>(w: &Workspace<'_>, outcome: Result<T, UpstreamError>, name: &str) -> Checked {
    let refused = match outcome {
        Ok(_) => false,
        Err(UpstreamError::PreconditionFailed | UpstreamError::NoSuchKey | UpstreamError::Conflict) => true,
        Err(error) => return Err(error.into()),
    };
    match w.head(name).await {
        Err(UpstreamError::NoSuchKey) if refused => Ok(()),
        Err(UpstreamError::NoSuchKey) => Err(lacks("answers 200 to If-Match without an object")),
        Ok(_) => Err(lacks("stores although If-Match has no object to match")),
        Err(error) => Err(error.into()),
    }
}
