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

#[cfg(test)]
mod tests {
    use super::{
        ObjectAnswer, Served, not_modified_headers, object_headers, part_headers, put_headers, upload_headers,
    };
    use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, Md5, ObjectChecksum, Timestamp};
    use crate::s3::checksum::MultipartChecksum;
    use crate::s3::content::{ContentHeaders, UserMetadata};
    use crate::s3::request::{ChecksumMode, ResponseOverrides};

    use http::{HeaderMap, HeaderValue};

    fn digest() -> Digest {
        Digest::new(ChecksumAlgorithm::Crc32, &[0; 4]).expect("a digest")
    }

    struct Stored {
        content: ContentHeaders,
        metadata: UserMetadata,
    }

    fn stored() -> Stored {
        let content = ContentHeaders {
            content_type: Some(b"text/plain".to_vec()),
            cache_control: Some(b"no-cache".to_vec()),
            content_language: Some(b"a\r\nb".to_vec()),
            ..ContentHeaders::default()
        };
        let metadata = vec![("utf8".to_owned(), "ä".as_bytes().to_vec()), ("bad name".to_owned(), b"x".to_vec())];
        Stored { content, metadata: UserMetadata::from_pairs(metadata) }
    }

    fn answer(stored: &Stored) -> ObjectAnswer<'_> {
        ObjectAnswer {
            etag: ETag::Multipart(Md5([0; 16]), 2),
            last_modified: Timestamp::from_unix_seconds(0),
            size_bytes: 100,
            content: &stored.content,
            metadata: &stored.metadata,
            checksum: Some(ObjectChecksum { digest: digest(), kind: ChecksumType::Composite, parts: 2 }),
            tag_count: 0,
        }
    }

    fn served(served: &Served, mode: ChecksumMode) -> HeaderMap {
        object_headers(&answer(&stored()), served, mode, &ResponseOverrides::default())
    }

    fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).expect("text"))
    }

    #[test]
    fn a_whole_object() {
        let headers = served(&Served::Whole, ChecksumMode::Enabled);
        for (name, value) in [
            ("etag", "\"00000000000000000000000000000000-2\""),
            ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("content-length", "100"),
            ("content-type", "text/plain"),
            ("x-amz-meta-utf8", "ä"),
            ("accept-ranges", "bytes"),
            ("x-amz-checksum-crc32", "AAAAAA==-2"),
            ("x-amz-checksum-type", "COMPOSITE"),
            ("x-amz-server-side-encryption", "AES256"),
        ] {
            assert_eq!(text(&headers, name), Some(value), "{name}");
        }
        assert_eq!((text(&headers, "content-range"), text(&headers, "x-amz-tagging-count")), (None, None));
    }

    #[test]
    fn checksums_come_only_when_asked_for_and_never_with_a_range() {
        assert_eq!(text(&served(&Served::Whole, ChecksumMode::Off), "x-amz-checksum-crc32"), None);
        let headers = served(&Served::Range(10..20), ChecksumMode::Enabled);
        assert_eq!(text(&headers, "content-range"), Some("bytes 10-19/100"));
        assert_eq!(text(&headers, "content-length"), Some("10"));
        assert_eq!((text(&headers, "x-amz-checksum-crc32"), text(&headers, "x-amz-checksum-type")), (None, None));
    }

    #[test]
    fn a_part_has_its_own_checksum_and_the_count_of_parts() {
        let part = Served::Part { range: 0..60, parts_count: Some(2), checksum: Some(digest()) };
        let headers = served(&part, ChecksumMode::Enabled);
        assert_eq!(text(&headers, "content-range"), Some("bytes 0-59/100"));
        assert_eq!(
            (text(&headers, "x-amz-mp-parts-count"), text(&headers, "x-amz-checksum-crc32")),
            (Some("2"), Some("AAAAAA=="))
        );
        let single = Served::Part { range: 0..100, parts_count: None, checksum: None };
        assert_eq!(text(&served(&single, ChecksumMode::Off), "x-amz-mp-parts-count"), None);
    }

    #[test]
    fn the_part_of_an_empty_object_has_no_content_range() {
        let kept = stored();
        let object = ObjectAnswer { size_bytes: 0, ..answer(&kept) };
        let part = Served::Part { range: 0..0, parts_count: None, checksum: None };
        let headers = object_headers(&object, &part, ChecksumMode::Off, &ResponseOverrides::default());
        assert_eq!((text(&headers, "content-range"), text(&headers, "content-length")), (None, Some("0")));
    }

    #[test]
    fn overrides_replace_what_is_stored() {
        let overrides = ResponseOverrides {
            content_type: Some(HeaderValue::from_static("text/html")),
            expires: Some(HeaderValue::from_static("0")),
            ..ResponseOverrides::default()
        };
        let headers = object_headers(&answer(&stored()), &Served::Whole, ChecksumMode::Off, &overrides);
        assert_eq!(headers.get_all("content-type").iter().count(), 1);
        assert_eq!((text(&headers, "content-type"), text(&headers, "expires")), (Some("text/html"), Some("0")));
        assert_eq!(text(&headers, "cache-control"), Some("no-cache"));
    }

    #[test]
    fn what_cannot_be_a_header_stays_out_of_the_answer() {
        let headers = served(&Served::Whole, ChecksumMode::Off);
        assert_eq!(text(&headers, "content-language"), None);
        assert_eq!(headers.keys().filter(|name| name.as_str().starts_with("x-amz-meta-")).count(), 1);
    }

    #[test]
    fn an_object_without_a_media_type_gets_s3s() {
        let plain = Stored { content: ContentHeaders::default(), metadata: UserMetadata::default() };
        let object = ObjectAnswer { tag_count: 3, ..answer(&plain) };
        let headers = object_headers(&object, &Served::Whole, ChecksumMode::Off, &ResponseOverrides::default());
        assert_eq!(text(&headers, "content-type"), Some("binary/octet-stream"));
        assert_eq!(text(&headers, "x-amz-tagging-count"), Some("3"));
    }

    #[test]
    fn not_modified_carries_the_etag() {
        let headers = not_modified_headers(&answer(&stored()));
        assert!(headers.contains_key("etag") && headers.contains_key("last-modified"));
        assert_eq!((text(&headers, "cache-control"), text(&headers, "content-type")), (Some("no-cache"), None));
    }

    #[test]
    fn writes_echo_what_was_verified() {
        let etag = ETag::Md5(Md5([0; 16]));
        let checksum = ObjectChecksum { digest: digest(), kind: ChecksumType::FullObject, parts: 0 };
        let headers = put_headers(Some(etag), Some(&checksum));
        assert_eq!(text(&headers, "etag"), Some("\"00000000000000000000000000000000\""));
        assert_eq!(
            (text(&headers, "x-amz-checksum-crc32"), text(&headers, "x-amz-checksum-type")),
            (Some("AAAAAA=="), Some("FULL_OBJECT"))
        );
        let headers = part_headers(etag, Some(&digest()));
        assert_eq!(
            (text(&headers, "x-amz-checksum-crc32"), text(&headers, "x-amz-checksum-type")),
            (Some("AAAAAA=="), None)
        );
        let upload = MultipartChecksum { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumType::Composite };
        let headers = upload_headers(Some(upload));
        assert_eq!(
            (text(&headers, "x-amz-checksum-algorithm"), text(&headers, "x-amz-checksum-type")),
            (Some("SHA256"), Some("COMPOSITE"))
        );
    }
}
