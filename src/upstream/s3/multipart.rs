//! Multipart uploads.

use crate::base::limits::{MAX_PART_NUMBER, MIN_PART_BYTES};
use crate::base::{BucketName, ObjectKey};
use crate::s3::date::parse_date;
use crate::upstream::{
    ObjectRef, PutBody, StoredFacts, StoredPart, StoredRange, Tags, UploadRef, UpstreamError, UpstreamEtag,
    UpstreamUploadId, WriteCondition,
};

use super::S3Upstream;
use super::call::{Call, Method, Patience, Payload, Replay, in_path, in_query};
use super::facts::{MAX_ID_BYTES, etag, etag_of, quoted, stored_at, version_of};
use super::fault::{About, Refusal};
use super::list_uploads::parts;
use super::object::{self, conditional};
use super::tags;
use super::xml::walk;

/// The root of an answer to CompleteMultipartUpload.
pub(super) const COMPLETED: &str = "CompleteMultipartUploadResult";

fn about_upload(upstream: &S3Upstream, method: Method, upload: &UploadRef) -> Call {
    upstream.client.call(method, &upload.bucket, Some(&upload.key)).query("uploadId", &upload.id.0)
}

/// A request about a part; there is no part 10,001.
fn about_part(upstream: &S3Upstream, upload: &UploadRef, number: u16) -> Result<Call, UpstreamError> {
    if !(1..=MAX_PART_NUMBER).contains(&number) {
        return Err(UpstreamError::InvalidPart { number });
    }
    Ok(about_upload(upstream, Method::Put, upload).query("partNumber", &number.to_string()))
}

pub(super) async fn create(
    upstream: &S3Upstream,
    bucket: &BucketName,
    key: &ObjectKey,
    tags: &Tags,
) -> Result<UploadRef, UpstreamError> {
    // Sent twice it leaves an upload without parts behind, which is swept.
    let call = upstream
        .client
        .call(Method::Post, bucket, Some(key))
        .query("uploads", "")
        .header("content-type", object::CONTENT_TYPE.to_owned())
        .optional_header("x-amz-tagging", tags::header(tags));
    let document = upstream.client.ask(&call, About::Object).await?.document;
    Ok(UploadRef { bucket: bucket.clone(), key: key.clone(), id: read_upload_id(&document)? })
}

pub(super) fn read_upload_id(document: &[u8]) -> Result<UpstreamUploadId, UpstreamError> {
    let mut id = String::new();
    walk(document, |ended| {
        if (ended.parent, ended.name) == ("InitiateMultipartUploadResult", "UploadId") {
            ended.text.trim().clone_into(&mut id);
        }
    })?;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(broken("an upload has no id"));
    }
    Ok(UpstreamUploadId(id.into()))
}

pub(super) async fn put_part(
    upstream: &S3Upstream,
    upload: &UploadRef,
    number: u16,
    body: PutBody<'_>,
) -> Result<StoredPart, UpstreamError> {
    let call = about_part(upstream, upload, number)?;
    let stored_bytes = body.stored_bytes;
    let reply = upstream.client.upload(call, body, upstream.payload_mode(), About::Upload).await?;
    let last_modified = stored_at(&reply.head, upstream.now());
    Ok(StoredPart { number, etag: etag_of(&reply.head)?, stored_bytes, last_modified })
}

pub(super) async fn copy_part(
    upstream: &S3Upstream,
    upload: &UploadRef,
    number: u16,
    source: &ObjectRef,
    range: StoredRange,
    if_match: Option<&UpstreamEtag>,
) -> Result<StoredPart, UpstreamError> {
    let call = about_part(upstream, upload, number)?;
    let (range, pin, stored_bytes) = match range {
        StoredRange::Slice { offset, len } => (Some((offset, len)), if_match.cloned(), len),
        // The answer does not say how much was copied: it is copied from what we have seen.
        StoredRange::Whole | StoredRange::Suffix { .. } => {
            let seen = object::head(upstream, source).await?;
            if if_match.is_some_and(|expected| *expected != seen.etag) {
                return Err(UpstreamError::PreconditionFailed);
            }
            let (range, len) = match range {
                StoredRange::Suffix { len } if len < seen.stored_bytes => (Some((seen.stored_bytes - len, len)), len),
                _ => (None, seen.stored_bytes),
            };
            (range, Some(seen.etag), len)
        }
    };
    let range = match range {
        None => None,
        Some((offset, len)) => {
            let last =
                len.checked_sub(1).and_then(|more| offset.checked_add(more)).ok_or(UpstreamError::InvalidRange)?;
            Some(format!("bytes={offset}-{last}"))
        }
    };
    let version = source.version.as_ref().map(|version| format!("?versionId={}", in_query(&version.0)));
    let from = format!("/{}/{}{}", source.bucket, in_path(source.key.as_str()), version.unwrap_or_default());
    let call = call
        .header("x-amz-copy-source", from)
        .optional_header("x-amz-copy-source-range", range)
        .optional_header("x-amz-copy-source-if-match", pin.as_ref().map(quoted))
        .patience(Patience::Long);
    let answer = upstream.client.ask(&call, About::Object).await?;
    let head_time = stored_at(&answer.head, upstream.now());
    let outcome = Outcome::read(&answer.document, "CopyPartResult")?;
    let etag = outcome.map_err(|refusal| refusal.error(About::Object))?;
    Ok(StoredPart { number, etag: etag.etag, stored_bytes, last_modified: etag.last_modified.unwrap_or(head_time) })
}

pub(super) async fn complete(
    upstream: &S3Upstream,
    upload: &UploadRef,
    list: &[(u16, UpstreamEtag)],
    condition: WriteCondition,
) -> Result<StoredFacts, UpstreamError> {
    if let Some(pair) = list.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        return Err(UpstreamError::InvalidPart { number: pair[1].0 });
    }
    if list.is_empty() {
        return Err(broken("a list of no parts"));
    }
    let mut document = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for (number, etag) in list {
        // Checked when it came: no ETag holds what XML would have to escape.
        document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>"));
    }
    document.push_str("</CompleteMultipartUpload>");
    let call = conditional(about_upload(upstream, Method::Post, upload), condition)
        // The second time there is no such upload any more.
        .replay(Replay::Unsent)
        .payload(Payload::Signed(document.into_bytes()))
        .patience(Patience::Long);
    let (etag, version) = match try_complete(upstream, &call).await {
        Ok(done) => done,
        Err(UpstreamError::InvalidPart { .. }) => return Err(which_is_invalid(upstream, upload, list).await?),
        Err(UpstreamError::PartTooSmall { .. }) => return Err(which_is_too_small(upstream, upload, list).await?),
        Err(error) => return Err(error),
    };
    // The answer says neither size nor date.
    let object = ObjectRef { bucket: upload.bucket.clone(), key: upload.key.clone(), version: version.clone() };
    match object::head(upstream, &object).await {
        Ok(facts) if facts.etag == etag => Ok(facts),
        // Replaced or removed already, or it does not answer now: done it is all the same. A size of 0 validates nothing,
        // and whoever reads the object asks again.
        Ok(_) | Err(_) => {
            Ok(StoredFacts { etag, stored_bytes: 0, last_modified: upstream.now(), version, tag_count: 0 })
        }
    }
}

async fn try_complete(
    upstream: &S3Upstream,
    call: &Call,
) -> Result<(UpstreamEtag, Option<crate::upstream::VersionId>), UpstreamError> {
    let answer = upstream.client.ask(call, About::Upload).await?;
    let version = version_of(&answer.head);
    match Outcome::read(&answer.document, COMPLETED)? {
        Ok(outcome) => Ok((outcome.etag, version)),
        Err(refusal) => Err(refusal.error(About::Upload)),
    }
}

/// The first listed part that the service does not hold like that: not every service says which.
async fn which_is_invalid(
    upstream: &S3Upstream,
    upload: &UploadRef,
    list: &[(u16, UpstreamEtag)],
) -> Result<UpstreamError, UpstreamError> {
    let held = parts(upstream, upload, 0, u32::from(MAX_PART_NUMBER)).await?;
    let holds =
        |(number, etag): &&(u16, UpstreamEtag)| held.iter().any(|part| part.number == *number && part.etag == *etag);
    let number = list.iter().find(|listed| !holds(listed)).map_or(0, |listed| listed.0);
    Ok(UpstreamError::InvalidPart { number })
}

async fn which_is_too_small(
    upstream: &S3Upstream,
    upload: &UploadRef,
    list: &[(u16, UpstreamEtag)],
) -> Result<UpstreamError, UpstreamError> {
    let held = parts(upstream, upload, 0, u32::from(MAX_PART_NUMBER)).await?;
    let small = |number: u16| held.iter().any(|part| part.number == number && part.stored_bytes < MIN_PART_BYTES);
    let number = list.iter().rev().skip(1).rev().find(|listed| small(listed.0)).map_or(0, |listed| listed.0);
    Ok(UpstreamError::PartTooSmall { number })
}

pub(super) async fn abort(upstream: &S3Upstream, upload: &UploadRef) -> Result<(), UpstreamError> {
    let call = about_upload(upstream, Method::Delete, upload);
    upstream.client.ask(&call, About::Upload).await.map(drop)
}

/// What stands in an answer that came with 200 before its outcome was known.
pub(super) struct Outcome {
    pub(super) etag: UpstreamEtag,
    last_modified: Option<crate::base::Timestamp>,
}

impl Outcome {
    /// The result, or the error that came in its place.
    pub(super) fn read(document: &[u8], expected: &str) -> Result<Result<Self, Refusal>, UpstreamError> {
        let mut tag = None;
        let mut last_modified = None;
        let mut code = String::new();
        let mut part = None;
        let root = walk(document, |ended| match (ended.parent, ended.name) {
            ("Error", "Code") => ended.text.clone_into(&mut code),
            ("Error", "PartNumber") => part = ended.text.trim().parse().ok(),
            (parent, "ETag") if parent == expected => tag = Some(etag(ended.text)),
            (parent, "LastModified") if parent == expected => last_modified = parse_date(ended.text.trim()),
            _ => {}
        })?;
        match (root.as_str(), tag) {
            ("Error", _) => Ok(Err(Refusal { part, ..Refusal::of_key(&code) })),
            (root, Some(tag)) if root == expected => Ok(Ok(Self { etag: tag?, last_modified })),
            _ => Err(broken("it neither succeeds nor fails: 200 with another document")),
        }
    }
}

fn broken(text: &str) -> UpstreamError {
    UpstreamError::Broken(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use crate::upstream::UpstreamError;
    use crate::upstream::s3::fault::About;

    const EXPECTED: &str = super::COMPLETED;

    #[test]
    fn an_error_behind_200_is_an_error() {
        let text = "  \n <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>";
        let refusal = Outcome::read(text.as_bytes(), EXPECTED).expect("a document").err().expect("an error");
        assert!(matches!(refusal.error(About::Upload), UpstreamError::Unavailable(_)));
        let text = "<Error><Code>InvalidPart</Code><PartNumber>3</PartNumber></Error>";
        let refusal = Outcome::read(text.as_bytes(), EXPECTED).expect("a document").err().expect("an error");
        assert!(matches!(refusal.error(About::Upload), UpstreamError::InvalidPart { number: 3 }));
    }

    #[test]
    fn success_needs_the_result_and_its_etag() {
        let sound = format!("<{EXPECTED}><ETag>&quot;a-2&quot;</ETag></{EXPECTED}>");
        let outcome = Outcome::read(sound.as_bytes(), EXPECTED).expect("a document").expect("a result");
        assert_eq!(&*outcome.etag.0, "a-2");
        let other = "<CopyPartResult><ETag>\"a\"</ETag></CopyPartResult>".to_owned();
        for text in ["", "   ", &format!("<{EXPECTED}/>"), &other, &sound[..sound.len() - 1]] {
            assert!(matches!(Outcome::read(text.as_bytes(), EXPECTED), Err(UpstreamError::Broken(_))), "{text}");
        }
    }
}
