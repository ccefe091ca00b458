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
