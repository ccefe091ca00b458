//! The headers of answers. Statuses are the gateway's; every name of a header that S3 sends is written here.

use std::ops::Range;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::base::{Digest, ETag, ObjectChecksum, Timestamp};

use super::checksum::{MultipartChecksum, checksum_text, digest_text};
use super::content::{ContentHeaders, UserMetadata};
use super::date::http_date;
use super::headers::METADATA_PREFIX;
use super::request::{ChecksumMode, ResponseOverrides};

/// Names this request, in answers and logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// Its longer companion.
pub const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
/// The region of a bucket; SDKs believe it.
pub const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
/// The media type of every XML answer.
pub const XML: HeaderValue = HeaderValue::from_static("application/xml");

const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");
const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
/// What S3 itself says of every object since 2023, asked or not; here it is true twice.
const AES256: HeaderValue = HeaderValue::from_static("AES256");
/// S3's media type for objects that were stored without one.
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("binary/octet-stream");

/// What GET and HEAD know of an object.
#[derive(Clone, Copy, Debug)]
pub struct ObjectAnswer<'a> {
    /// Its ETag.
    pub etag: ETag,
    /// When it was stored.
    pub last_modified: Timestamp,
    /// Its plaintext size.
    pub size_bytes: u64,
    /// Content-Type and its kin.
    pub content: &'a ContentHeaders,
    /// x-amz-meta-*.
    pub metadata: &'a UserMetadata,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// How many tags it has.
    pub tag_count: u16,
}

/// Which bytes go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// All of them.
    Whole,
    /// Some of them, at least one. No checksum goes with them: clients would hold it against these bytes.
    Range(Range<u64>),
    /// One part.
    Part {
        /// Its bytes; empty only where the object is.
        range: Range<u64>,
        /// How many parts the object has; `None` for one that is not multipart.
        parts_count: Option<u16>,
        /// The part's own checksum.
        checksum: Option<Digest>,
    },
}

impl Served {
    /// The bytes, of an object of `size_bytes`.
    pub fn bytes(&self, size_bytes: u64) -> Range<u64> {
        match self {
            Self::Whole => 0..size_bytes,
            Self::Range(range) | Self::Part { range, .. } => range.clone(),
        }
    }
}

/// The headers of GET and HEAD.
pub fn object_headers(
    object: &ObjectAnswer<'_>,
    served: &Served,
    mode: ChecksumMode,
    overrides: &ResponseOverrides,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    validators(&mut headers, object.etag, object.last_modified);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ENCRYPTION, AES256);

    let bytes = served.bytes(object.size_bytes);
    headers.insert(CONTENT_LENGTH, bytes.end.saturating_sub(bytes.start).into());
    if *served != Served::Whole && !bytes.is_empty() {
        let last = bytes.end.saturating_sub(1);
        put(&mut headers, CONTENT_RANGE, &format!("bytes {}-{last}/{}", bytes.start, object.size_bytes));
    }

    headers.insert(CONTENT_TYPE, DEFAULT_CONTENT_TYPE);
    for (name, value) in object.content.present() {
        put_bytes(&mut headers, name, value);
    }
    for (name, value) in [
        (CONTENT_TYPE, &overrides.content_type),
        (CONTENT_ENCODING, &overrides.content_encoding),
        (CONTENT_LANGUAGE, &overrides.content_language),
        (CONTENT_DISPOSITION, &overrides.content_disposition),
        (CACHE_CONTROL, &overrides.cache_control),
        (EXPIRES, &overrides.expires),
    ] {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in object.metadata.iter() {
        if let Ok(name) = HeaderName::try_from(format!("{METADATA_PREFIX}{name}")) {
            put_bytes(&mut headers, name, value);
        }
    }

    if object.tag_count > 0 {
        headers.insert(TAGGING_COUNT, object.tag_count.into());
    }
    if let Served::Part { parts_count: Some(count), .. } = served {
        headers.insert(PARTS_COUNT, (*count).into());
    }
    match (mode, served) {
        (ChecksumMode::Enabled, Served::Whole) => object_checksum(&mut headers, object.checksum.as_ref()),
        (ChecksumMode::Enabled, Served::Part { checksum, .. }) => digest(&mut headers, checksum.as_ref()),
        _ => {}
    }
    headers
}

/// The headers of "not modified": what a cache needs to go on using what it has.
pub fn not_modified_headers(object: &ObjectAnswer<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    validators(&mut headers, object.etag, object.last_modified);
    for (name, value) in object.content.present() {
        if name == CACHE_CONTROL || name == EXPIRES {
            put_bytes(&mut headers, name, value);
        }
    }
    headers
}

/// The headers of PutObject, CopyObject and CompleteMultipartUpload; the latter two have ETag and checksum in their XML
/// and pass none here.
pub fn put_headers(etag: Option<ETag>, checksum: Option<&ObjectChecksum>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ENCRYPTION, AES256);
    if let Some(etag) = etag {
        put(&mut headers, ETAG, &quoted(etag));
    }
    object_checksum(&mut headers, checksum);
    headers
}

/// The headers of UploadPart.
pub fn part_headers(etag: ETag, checksum: Option<&Digest>) -> HeaderMap {
    let mut headers = put_headers(Some(etag), None);
    digest(&mut headers, checksum);
    headers
}

/// The headers of CreateMultipartUpload and ListParts.
pub fn upload_headers(checksum: Option<MultipartChecksum>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ENCRYPTION, AES256);
    if let Some(checksum) = checksum {
        headers.insert(CHECKSUM_ALGORITHM, HeaderValue::from_static(checksum.algorithm.name()));
        headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksum.kind.name()));
    }
    headers
}

/// An ETag with its quotes, as headers and all XML but GetObjectAttributes' have it.
pub fn quoted(etag: ETag) -> String {
    format!("\"{etag}\"")
}

fn validators(headers: &mut HeaderMap, etag: ETag, last_modified: Timestamp) {
    put(headers, ETAG, &quoted(etag));
    put(headers, LAST_MODIFIED, &http_date(last_modified));
}

fn object_checksum(headers: &mut HeaderMap, checksum: Option<&ObjectChecksum>) {
    if let Some(checksum) = checksum {
        put(headers, HeaderName::from_static(checksum.digest.algorithm().header()), &checksum_text(checksum));
        headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksum.kind.name()));
    }
}

fn digest(headers: &mut HeaderMap, digest: Option<&Digest>) {
    if let Some(digest) = digest {
        put(headers, HeaderName::from_static(digest.algorithm().header()), &digest_text(digest));
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    put_bytes(headers, name, text.as_bytes());
}

/// What is no legal header cannot have come in as one; should a damaged record hold it, it stays out of the answer.
fn put_bytes(headers: &mut HeaderMap, name: HeaderName, bytes: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        headers.insert(name, value);
    }
}
