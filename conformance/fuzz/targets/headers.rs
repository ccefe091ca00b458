//! Headers with a syntax of their own.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crypt_keeper::base::Timestamp;
use crypt_keeper::s3::conditions::{EtagMatch, IfRange, ReadConditions, Verdict, WriteCondition};
use crypt_keeper::s3::copy_source::CopySource;
use crypt_keeper::s3::range::{Requested, requested};
use crypt_keeper::s3::request::VersionRef;
use crypt_keeper::s3::tagging::TagSet;

use super::request::view;
use super::{Input, Outcome};

/// `size, Range`: what is served lies inside the object, and asked for in other words is the same.
pub(super) fn range(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let size = input.u64();
    let Ok(header) = std::str::from_utf8(input.rest()) else { return Outcome::Refused };
    match requested(Some(header), size) {
        Requested::Partial(range) => {
            assert!(range.start < range.end && range.end <= size, "{range:?}");
            let plainly = format!("bytes={}-{}", range.start, range.end - 1);
            assert_eq!(requested(Some(&plainly), size), Requested::Partial(range.clone()));
            if range.end == size {
                assert_eq!(requested(Some(&format!("bytes=-{}", size - range.start)), size), Requested::Partial(range));
            }
            Outcome::Accepted
        }
        Requested::Full | Requested::Unsatisfiable => Outcome::Refused,
    }
}

/// `modified, now`, then lines: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, an ETag.
pub(super) fn conditions(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let seconds = |text: u64| Timestamp::from_unix_seconds(i64::try_from(text >> 16).unwrap_or_default());
    let (modified, now) = (seconds(input.u64()), seconds(input.u64()));
    let lines: Vec<&[u8]> = input.rest().split(|byte| *byte == b'\n').collect();
    let line = |at: usize| lines.get(at).copied().unwrap_or_default();
    let names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];
    let headers: Vec<_> = names
        .into_iter()
        .enumerate()
        .map(|(at, name)| (name, line(at)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let etag = String::from_utf8_lossy(line(5)).replace(['"', '\\'], "");
    let etag = etag.trim();

    let quoted = EtagMatch::parse(&format!("\"{etag}\""));
    assert!(quoted.matches_strongly(etag) && quoted.matches_weakly(etag), "{etag:?} matches itself");
    if let Ok(text) = std::str::from_utf8(line(0)) {
        let tags = EtagMatch::parse(text);
        assert!(!tags.matches_strongly(etag) || tags.matches_weakly(etag), "strong implies weak");
    }
    let read = view(Method::GET, "/bucket/key", &headers, |view| {
        let if_range = IfRange::parse(view)?;
        Ok((ReadConditions::parse(view)?, if_range.is_some_and(|condition| condition.holds(etag, modified))))
    });
    view(Method::PUT, "/bucket/key", &headers, WriteCondition::parse);
    view(Method::DELETE, "/bucket/key", &headers, WriteCondition::parse_delete);
    let Some((conditions, _)) = read else { return Outcome::Refused };
    let (read, copy) = (conditions.evaluate(etag, modified, now), conditions.evaluate_copy_source(etag, modified, now));
    assert_eq!(read == Verdict::Proceed, copy == Verdict::Proceed);
    assert_ne!(copy, Verdict::NotModified, "a copy is made or fails");
    (read == Verdict::Proceed).into()
}

/// x-amz-tagging: S3's limits hold, and every byte escaped it means the same.
pub(super) fn tagging(input: &[u8]) -> Outcome {
    let read = |value: &[u8]| view(Method::PUT, "/bucket/key", &[("x-amz-tagging", value)], TagSet::parse_header);
    let Some(tags) = read(input) else { return Outcome::Refused };
    assert!(tags.pairs().len() <= 10);
    let pairs: Vec<_> =
        tags.pairs().iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    assert!(read(pairs.join("&").as_bytes()).is_some_and(|again| again == tags));
    Outcome::Accepted
}

/// x-amz-copy-source: every byte escaped it is the same source.
pub(super) fn copy_source(input: &[u8]) -> Outcome {
    let read = |value: &[u8]| view(Method::PUT, "/bucket/key", &[("x-amz-copy-source", value)], CopySource::parse);
    let Some(source) = read(input) else { return Outcome::Refused };
    let version = if source.version == VersionRef::Null { "?versionId=null" } else { "" };
    let plainly = format!("{}/{}{version}", encoded(source.bucket.as_str()), encoded(source.key.as_str()));
    assert_eq!(read(plainly.as_bytes()), Some(source));
    Outcome::Accepted
}

fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string()
}
