//! Answers of an upstream that need not be trusted. What was read, written in our own words, is read as the same; and
//! nothing of its own words gets into a log but letters and digits.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crypt_keeper::base::{BucketName, Timestamp};
use crypt_keeper::s3::date::iso8601;
use crypt_keeper::upstream::s3::answers::{self, Body, Head};
use crypt_keeper::upstream::{ListRequest, UpstreamError};

use super::xml::escaped;
use super::{Input, Outcome};

/// The longest text about an upstream's fault: our words, and a code and a region of at most 64 letters each.
const MAX_FAULT_CHARS: usize = 300;

/// `whether to HEAD`, and the bytes of an answer: a head is one wherever the bytes are cut, and none before its end.
pub(super) fn head(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let to_head = input.u8() & 1 == 1;
    let bytes = input.rest();
    let read = read(answers::head(bytes, to_head));
    let Some(Head::Final { len, status, body }) = read else { return Outcome::Refused };
    assert!(len <= bytes.len() && (200..=599).contains(&status));
    if to_head || matches!(status, 204 | 304) {
        assert_eq!(body, Body::Length(0));
    }
    let again = answers::head(&bytes[..len], to_head).ok();
    assert_eq!(again, Some(Head::Final { len, status, body }), "what comes behind changes nothing");
    for cut in [len - 1, len / 2] {
        let cut = answers::head(&bytes[..cut], to_head);
        assert!(!matches!(cut, Ok(Head::Final { .. })), "it ends twice");
    }
    Outcome::Accepted
}

/// `which request`, and a page of it.
pub(super) fn list(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let request = request(input.u8());
    let Some(page) = read(answers::list(input.rest(), &request)) else { return Outcome::Refused };
    let keys: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
    let prefixes: Vec<&str> = page.common_prefixes.iter().map(String::as_str).collect();
    for names in [&keys, &prefixes] {
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "in order");
        assert!(names.iter().all(|name| name.starts_with(&request.prefix)));
        assert!(names.iter().all(|name| request.after.as_deref().is_none_or(|after| *name > after)));
    }
    let mut body = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
    for object in &page.objects {
        let (key, facts) = (encoded(object.key.as_str()), &object.facts);
        let _ = write!(body, "<Contents><Key>{key}</Key><Size>{}</Size>", facts.stored_bytes);
        let _ = write!(body, "<ETag>&quot;{}&quot;</ETag>", facts.etag);
        let _ = write!(body, "<LastModified>{}</LastModified></Contents>", iso8601(facts.last_modified));
    }
    for prefix in &page.common_prefixes {
        let _ = write!(body, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(prefix));
    }
    body.push_str("</ListBucketResult>");
    if page.objects.iter().all(|object| is_written(object.facts.last_modified)) {
        let again = answers::list(body.as_bytes(), &request).expect("our own words");
        assert_eq!(again, page, "{body}");
    }
    Outcome::Accepted
}

/// `after`, and a page of ListParts.
pub(super) fn parts(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let after = input.u16();
    let Some((parts, truncated)) = read(answers::parts(input.rest(), after)) else { return Outcome::Refused };
    assert!(parts.first().is_none_or(|first| first.number > after));
    assert!(parts.windows(2).all(|pair| pair[0].number < pair[1].number), "in order");
    let mut body = format!("<ListPartsResult><IsTruncated>{truncated}</IsTruncated>");
    for part in &parts {
        let (number, bytes, at) = (part.number, part.stored_bytes, iso8601(part.last_modified));
        let _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{}&quot;</ETag>", part.etag);
        let _ = write!(body, "<Size>{bytes}</Size><LastModified>{at}</LastModified></Part>");
    }
    body.push_str("</ListPartsResult>");
    if parts.iter().all(|part| is_written(part.last_modified)) {
        assert_eq!(answers::parts(body.as_bytes(), after).expect("our own words"), (parts, truncated), "{body}");
    }
    Outcome::Accepted
}

/// A page of ListMultipartUploads, or an answer to CreateMultipartUpload.
pub(super) fn uploads(input: &[u8]) -> Outcome {
    let bucket = BucketName::parse("bucket").expect("a name");
    let Some(uploads) = read(answers::uploads(input, &bucket)) else {
        let Some(id) = read(answers::upload_id(input)) else { return Outcome::Refused };
        let id = escaped(&id.0);
        let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        assert!(answers::upload_id(body.as_bytes()).is_ok_and(|again| escaped(&again.0) == id), "{body}");
        return Outcome::Accepted;
    };
    let mut body = String::from("<ListMultipartUploadsResult><EncodingType>url</EncodingType>");
    for listed in &uploads {
        assert_eq!(listed.upload.bucket, bucket);
        let (key, id) = (encoded(listed.upload.key.as_str()), escaped(&listed.upload.id.0));
        let at = iso8601(listed.initiated);
        let _ = write!(body, "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{at}</Initiated></Upload>");
    }
    body.push_str("</ListMultipartUploadsResult>");
    if uploads.iter().all(|listed| is_written(listed.initiated)) {
        assert_eq!(answers::uploads(body.as_bytes(), &bucket).expect("our own words"), uploads, "{body}");
    }
    Outcome::Accepted
}

/// An answer to CompleteMultipartUpload.
pub(super) fn complete(input: &[u8]) -> Outcome {
    let Some(etag) = read(answers::completed(input)) else { return Outcome::Refused };
    let body =
        format!("<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>");
    assert_eq!(answers::completed(body.as_bytes()).ok(), Some(etag));
    Outcome::Accepted
}

/// An answer to DeleteObjects.
pub(super) fn delete(input: &[u8]) -> Outcome {
    let Some(told) = read(answers::deleted(input)) else { return Outcome::Refused };
    for (_, outcome) in &told {
        if let Err(error) = outcome {
            assert_plain(error);
        }
    }
    let mut body = String::from("<DeleteResult>");
    for ((key, version), outcome) in &told {
        let name = format!("<Key>{}</Key><VersionId>{}</VersionId>", escaped(key), escaped(version));
        let _ = match outcome {
            Ok(_) => write!(body, "<Deleted>{name}</Deleted>"),
            Err(_) => write!(body, "<Error>{name}<Code>AccessDenied</Code></Error>"),
        };
    }
    body.push_str("</DeleteResult>");
    let again = answers::deleted(body.as_bytes()).expect("our own words");
    assert_eq!(again.len(), told.len(), "{body}");
    for (again, told) in again.iter().zip(&told) {
        assert_eq!((&again.0, again.1.is_ok()), (&told.0, told.1.is_ok()));
    }
    Outcome::Accepted
}

/// `status`, a region on a line of its own, and the body of a refusal.
pub(super) fn error(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let status = input.u16();
    let rest = input.rest();
    let (line, body) = rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let region = std::str::from_utf8(line).ok().filter(|region| !region.is_empty());
    let error = answers::refusal(status, region, body);
    assert_plain(&error);
    // Broken is what nothing is known about.
    (!matches!(error, UpstreamError::Broken(_))).into()
}

/// What was read; a fault must be one that can be logged.
fn read<T>(result: Result<T, UpstreamError>) -> Option<T> {
    result.inspect_err(assert_plain).ok()
}

fn assert_plain(error: &UpstreamError) {
    let text = error.to_string();
    assert!(text.len() <= MAX_FAULT_CHARS && text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
}

/// Requests with and without prefix, delimiter and start.
fn request(which: u8) -> ListRequest {
    let some = |bit: u8, text: &str| Some(text.to_owned()).filter(|_| which & bit != 0);
    ListRequest {
        prefix: some(1, "a").unwrap_or_default(),
        delimiter: some(2, "/"),
        after: some(4, "a/b"),
        max_entries: 1000,
    }
}

/// Dates of stored things are after 1970; ours are written so.
fn is_written(at: Timestamp) -> bool {
    at >= Timestamp::from_unix_seconds(0)
}

fn encoded(name: &str) -> String {
    percent_encode(name.as_bytes(), NON_ALPHANUMERIC).to_string()
}
