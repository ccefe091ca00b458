//! x-amz-copy-source: `[/]bucket/key[?versionId=...]`, percent-encoded.
//!
//! Authorisation and reading both work on the decoded names that come out of here: `bucket/../other/key` is the key
//! `../other/key` in `bucket`, and never another bucket (SeaweedFS#9929).

use std::ops::Range;

use percent_encoding::percent_decode;

use crate::base::{BucketName, ObjectKey};

use super::fault::S3Fault;
use super::headers::RequestView;
use super::request::VersionRef;
use super::target::{check_escapes, object_key};

const HEADER: &str = "x-amz-copy-source";

/// The source of CopyObject or UploadPartCopy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionRef,
}

impl CopySource {
    /// Reads the header.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Self::read(&request.text(HEADER)?.unwrap_or_default())
    }

    fn read(header: &str) -> Result<Self, S3Fault> {
        let refuse = |reason| S3Fault::InvalidCopySource { value: header.to_owned(), reason };
        // A '?' of the key is encoded, so a bare one begins the version.
        let (path, version) = match header.split_once('?') {
            Some((path, query)) => {
                let version = query.strip_prefix("versionId=");
                let version = version.ok_or_else(|| refuse("The query of the copy source is not a versionId."))?;
                (path, VersionRef::parse(version)?)
            }
            None => (header, VersionRef::Current),
        };
        check_escapes(path).map_err(|_| refuse("The copy source is not percent-encoded."))?;
        let path = percent_decode(path.as_bytes()).decode_utf8();
        let path = path.map_err(|_| refuse("The copy source is not UTF-8."))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        if path.starts_with("arn:") {
            return Err(refuse("Access points are not supported as a copy source."));
        }
        let (bucket, key) = path
            .split_once('/')
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .ok_or_else(|| refuse("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"))?;
        let no_bucket = || S3Fault::NoSuchBucket { name: bucket.to_owned() };
        Ok(Self { bucket: BucketName::parse(bucket).ok_or_else(no_bucket)?, key: object_key(key)?, version })
    }
}

/// Reads x-amz-copy-source-range. Only `bytes=first-last`: here S3 forgives nothing. Whether it lies inside the
/// source, its size will tell.
pub(super) fn parse_range(request: &RequestView<'_>) -> Result<Option<Range<u64>>, S3Fault> {
    let Some(header) = request.text("x-amz-copy-source-range")? else { return Ok(None) };
    range(&header).map(Some).ok_or_else(|| {
        S3Fault::argument(
            "x-amz-copy-source-range",
            &header,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )
    })
}

fn range(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..last.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use super::{CopySource, VersionRef, parse_range};
    use crate::s3::S3Fault;
    use crate::s3::sample::read;

    fn source(header: &str) -> Result<CopySource, S3Fault> {
        read("PUT /bucket/key", &[("x-amz-copy-source", header)], CopySource::parse)
    }

    #[test]
    fn special_keys_come_through() {
        for (header, key) in [
            ("b-1/k", "k"),
            ("/b-1/k", "k"),
            ("b-1/a%20b%2Bc+d", "a b+c+d"),
            ("b-1/a/../b", "a/../b"),
            ("b-1/..", ".."),
            ("b-1//x", "/x"),
            ("b-1/x/", "x/"),
            ("b-1/a%3Fb", "a?b"),
            ("b-1/100%25", "100%"),
            ("b-1%2Fa%2Fb", "a/b"),
            ("%2Fb-1%2Fa", "a"),
            ("b-1/ä%C3%A4", "ää"),
            ("b-1/%01", "\u{1}"),
        ] {
            let source = source(header).expect(header);
            assert_eq!((source.bucket.as_str(), source.key.as_str()), ("b-1", key), "{header}");
            assert_eq!(source.version, VersionRef::Current);
        }
    }

    #[test]
    fn a_source_never_leaves_its_bucket() {
        let up = source("/b-1/../other/key").expect("a key");
        assert_eq!((up.bucket.as_str(), up.key.as_str()), ("b-1", "../other/key"));
        for header in ["../other/key", "%2e%2e/other/key", "//other/key", "B_1/key"] {
            let fault = source(header);
            assert!(matches!(fault, Err(S3Fault::NoSuchBucket { .. } | S3Fault::InvalidCopySource { .. })), "{header}");
        }
    }

    #[test]
    fn versions_other_than_null_are_refused_and_not_dropped() {
        assert_eq!(source("b-1/k?versionId=null").map(|source| source.version), Ok(VersionRef::Null));
        for header in ["b-1/k?versionId=v1", "b-1/k?versionId="] {
            assert!(matches!(source(header), Err(S3Fault::InvalidArgument { .. })), "{header}");
        }
        assert!(matches!(source("b-1/k?other=1"), Err(S3Fault::InvalidCopySource { .. })));
        assert!(matches!(source("b-1/k?"), Err(S3Fault::InvalidCopySource { .. })));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for header in
            ["", "/", "b-1", "b-1/", "/b-1/", "b-1/%", "b-1/%ff", "arn:aws:s3:us-east-1:1:accesspoint/a/object/k"]
        {
            assert!(matches!(source(header), Err(S3Fault::InvalidCopySource { .. })), "{header}");
        }
        assert_eq!(source(&format!("b-1/{}", "k".repeat(1025))), Err(S3Fault::KeyTooLong { bytes: 1025 }));
    }

    #[test]
    fn only_first_and_last_make_a_range() {
        let range = |header: &str| {
            let headers = [("x-amz-copy-source", "b-1/k"), ("x-amz-copy-source-range", header)];
            read("PUT /bucket/key?partNumber=1&uploadId=u", &headers, parse_range)
        };
        assert_eq!(range("bytes=0-0"), Ok(Some(0..1)));
        assert_eq!(range("bytes=5-9"), Ok(Some(5..10)));
        for header in [
            "",
            "0-1",
            "bytes=0",
            "bytes=0-",
            "bytes=-1",
            "bytes=1-0",
            "bytes=0-1,2-3",
            "bytes= 0-1",
            "bytes=+0-1",
            "bytes=0-18446744073709551615",
            "bytes=0-99999999999999999999",
            "bits=0-1",
        ] {
            assert!(matches!(range(header), Err(S3Fault::InvalidArgument { .. })), "{header}");
        }
    }
}
