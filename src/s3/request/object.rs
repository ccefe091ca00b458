//! Requests to one object, and DeleteObjects.

use http::HeaderValue;

use crate::base::{BucketName, ChecksumAlgorithm, ObjectKey, PartNumber};

use crate::s3::checksum::{BodyChecksums, parse_algorithm};
use crate::s3::conditions::{IfRange, ReadConditions, WriteCondition};
use crate::s3::content::{ContentHeaders, UserMetadata};
use crate::s3::copy_source::CopySource;
use crate::s3::fault::S3Fault;
use crate::s3::headers::RequestView;
use crate::s3::tagging::TagSet;

use super::{VersionRef, part_number};

/// PutObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObjectRequest {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Content-Type and its kin.
    pub content: ContentHeaders,
    /// x-amz-meta-*.
    pub metadata: UserMetadata,
    /// x-amz-tagging.
    pub tags: TagSet,
    /// What must match before it is published.
    pub checksums: BodyChecksums,
    /// What must hold of the object that it replaces.
    pub condition: WriteCondition,
}

impl PutObjectRequest {
    /// Reads target and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            content: ContentHeaders::parse(request)?,
            metadata: UserMetadata::parse(request)?,
            tags: TagSet::parse_header(request)?,
            checksums: BodyChecksums::parse(request)?,
            condition: WriteCondition::parse(request)?,
        })
    }
}

/// Whether checksums come with the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumMode {
    /// No.
    #[default]
    Off,
    /// x-amz-checksum-mode: ENABLED.
    Enabled,
}

/// GetObject and HeadObject: one request, two ways to answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectRequest {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionRef,
    /// Range as sent, for [`crate::s3::range::requested`]. Never beside a part number.
    pub range: Option<String>,
    /// If-Range; without effect where there is no Range.
    pub if_range: Option<IfRange>,
    /// If-Match and its kin.
    pub conditions: ReadConditions,
    /// One part of a multipart object.
    pub part_number: Option<PartNumber>,
    /// Whether checksums come with the answer.
    pub checksum_mode: ChecksumMode,
    /// response-content-type and its kin. Authorised callers only.
    pub overrides: ResponseOverrides,
}

impl GetObjectRequest {
    /// Reads target, query and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key) = request.object()?;
        // A Range that is no text is one that S3 cannot read, and ignores.
        let range = request.header("range")?.and_then(|bytes| String::from_utf8(bytes.into_owned()).ok());
        let part_number = part_number(request)?;
        if range.is_some() && part_number.is_some() {
            return Err(S3Fault::RangeAndPartNumber);
        }
        let mode = request.text("x-amz-checksum-mode")?;
        let enabled = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
        Ok(Self {
            bucket,
            key,
            version: VersionRef::of(request)?,
            range,
            if_range: IfRange::parse(request)?,
            conditions: ReadConditions::parse(request)?,
            part_number,
            checksum_mode: if enabled { ChecksumMode::Enabled } else { ChecksumMode::Off },
            overrides: ResponseOverrides::parse(request)?,
        })
    }
}

/// Headers of the answer that the client wants to have instead of the stored ones.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ResponseOverrides {
    /// response-content-type.
    pub content_type: Option<HeaderValue>,
    /// response-content-encoding.
    pub content_encoding: Option<HeaderValue>,
    /// response-content-language.
    pub content_language: Option<HeaderValue>,
    /// response-content-disposition.
    pub content_disposition: Option<HeaderValue>,
    /// response-cache-control.
    pub cache_control: Option<HeaderValue>,
    /// response-expires.
    pub expires: Option<HeaderValue>,
}

impl ResponseOverrides {
    /// Reads them from the query. A value that would break out of its header is refused.
    fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let value = |name: &'static str| {
            let bad = |_| S3Fault::argument(name, "", "The value cannot stand in a header.");
            request.parameter(name).map(|text| HeaderValue::from_bytes(text.as_bytes()).map_err(bad)).transpose()
        };
        Ok(Self {
            content_type: value("response-content-type")?,
            content_encoding: value("response-content-encoding")?,
            content_language: value("response-content-language")?,
            content_disposition: value("response-content-disposition")?,
            cache_control: value("response-cache-control")?,
            expires: value("response-expires")?,
        })
    }

    /// Whether there is none: anonymous callers may not have any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// They may repeat what is sealed in the object.
impl std::fmt::Debug for ResponseOverrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_empty() { "ResponseOverrides(none)" } else { "ResponseOverrides(..)" })
    }
}

/// GetObjectTagging and DeleteObjectTagging: nothing but the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRequest {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionRef,
}

impl ObjectRequest {
    /// Reads target and query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key) = request.object()?;
        Ok(Self { bucket, key, version: VersionRef::of(request)? })
    }
}

/// PutObjectTagging; its body is a Tagging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObjectTaggingRequest {
    /// The object.
    pub object: ObjectRequest,
    /// Of the body.
    pub checksums: BodyChecksums,
}

impl PutObjectTaggingRequest {
    /// Reads target, query and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Ok(Self { object: ObjectRequest::parse(request)?, checksums: BodyChecksums::parse(request)? })
    }
}

/// DeleteObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObjectRequest {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionRef,
    /// What must hold of it.
    pub condition: WriteCondition,
}

impl DeleteObjectRequest {
    /// Reads target, query and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key) = request.object()?;
        Ok(Self { bucket, key, version: VersionRef::of(request)?, condition: WriteCondition::parse_delete(request)? })
    }
}

/// DeleteObjects; its body is a Delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObjectsRequest {
    /// Which bucket.
    pub bucket: BucketName,
    /// Of the body; at least one.
    pub checksums: BodyChecksums,
}

impl DeleteObjectsRequest {
    /// Reads target and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Ok(Self { bucket: request.bucket()?, checksums: BodyChecksums::parse_required(request)? })
    }
}

/// Where a copy has its content headers and metadata from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// From the source.
    Copy,
    /// From the request.
    Replace(ContentHeaders, UserMetadata),
}

/// Where a copy has its tags from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// From the source.
    Copy,
    /// From the request; possibly none.
    Replace(TagSet),
}

/// CopyObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyObjectRequest {
    /// The destination's bucket.
    pub bucket: BucketName,
    /// The destination's key.
    pub key: ObjectKey,
    /// The source, which is authorised on its own.
    pub source: CopySource,
    /// What must hold of the source.
    pub source_conditions: ReadConditions,
    /// x-amz-metadata-directive.
    pub metadata: Metadata,
    /// x-amz-tagging-directive.
    pub tagging: Tagging,
    /// The checksum that the copy is to have; `None` keeps the source's.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// What must hold of the object that it replaces.
    pub condition: WriteCondition,
}

impl CopyObjectRequest {
    /// Reads target and headers. A copy onto itself must change something.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key) = request.object()?;
        let source = CopySource::parse(request)?;
        let metadata = match directive(request, "x-amz-metadata-directive")? {
            Directive::Copy => Metadata::Copy,
            Directive::Replace => Metadata::Replace(ContentHeaders::parse(request)?, UserMetadata::parse(request)?),
        };
        let tagging = match directive(request, "x-amz-tagging-directive")? {
            Directive::Copy => Tagging::Copy,
            Directive::Replace => Tagging::Replace(TagSet::parse_header(request)?),
        };
        // Naming a storage class or an encryption counts as a change, even where it is the same one.
        let restated = ["x-amz-storage-class", "x-amz-server-side-encryption"].map(|name| request.header(name));
        let mut changes = metadata != Metadata::Copy;
        for header in restated {
            changes |= header?.is_some();
        }
        if source.bucket == bucket && source.key == key && !changes {
            return Err(S3Fault::IllegalSelfCopy);
        }
        Ok(Self {
            bucket,
            key,
            source,
            source_conditions: ReadConditions::parse_copy_source(request)?,
            metadata,
            tagging,
            checksum_algorithm: parse_algorithm(request)?,
            condition: WriteCondition::parse(request)?,
        })
    }
}

enum Directive {
    Copy,
    Replace,
}

fn directive(request: &RequestView<'_>, name: &'static str) -> Result<Directive, S3Fault> {
    match request.text(name)?.as_deref() {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(S3Fault::argument(name, other, "Unknown directive.")),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ChecksumMode, CopyObjectRequest, DeleteObjectRequest, GetObjectRequest, Metadata, PutObjectRequest, Tagging,
        VersionRef,
    };
    use crate::s3::S3Fault;
    use crate::s3::sample::{Sample, read};

    #[test]
    fn put_object_takes_everything_that_clients_send() {
        let headers = [
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("x-amz-tagging", "t=1"),
            ("x-amz-acl", "private"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", "3"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("content-encoding", "aws-chunked"),
            ("if-none-match", "*"),
        ];
        let request = read("PUT /bucket/a/../b", &headers, PutObjectRequest::parse).expect("sound");
        assert_eq!((request.bucket.as_str(), request.key.as_str()), ("bucket", "a/../b"));
        assert_eq!((request.content.present().count(), request.tags.pairs().len()), (1, 1));
    }

    fn get(line: &str, headers: &[(&str, &str)]) -> Result<GetObjectRequest, S3Fault> {
        read(line, headers, GetObjectRequest::parse)
    }

    #[test]
    fn get_and_head_read_the_same() {
        for method in ["GET", "HEAD"] {
            let line = format!("{method} /bucket/key?partNumber=3&versionId=null");
            let request = get(&line, &[("x-amz-checksum-mode", "enabled")]).expect("sound");
            assert_eq!(request.part_number.map(|number| number.get()), Some(3));
            assert_eq!((request.version, request.checksum_mode), (VersionRef::Null, ChecksumMode::Enabled));
        }
    }

    #[test]
    fn range_and_part_number_exclude_each_other() {
        let both = get("GET /bucket/key?partNumber=1", &[("range", "bytes=0-1")]);
        assert_eq!(both, Err(S3Fault::RangeAndPartNumber));
    }

    #[test]
    fn part_numbers_and_versions_that_cannot_be_are_refused() {
        for query in
            ["partNumber=0", "partNumber=10001", "partNumber=x", "partNumber=", "partNumber=%2B1", "versionId=v"]
        {
            let fault = get(&format!("GET /bucket/key?{query}"), &[]);
            assert!(matches!(fault, Err(S3Fault::InvalidArgument { .. })), "{query}");
        }
        let delete = read("DELETE /bucket/key?versionId=v", &[], DeleteObjectRequest::parse);
        assert!(matches!(delete, Err(S3Fault::InvalidArgument { .. })));
    }

    #[test]
    fn a_range_that_is_no_text_is_ignored() {
        let mut sample = Sample::new("GET /bucket/key", &[]);
        sample.append_bytes("range", b"bytes=\xff");
        let request = GetObjectRequest::parse(&sample.view().expect("sound")).expect("sound");
        assert_eq!(request.range, None);
    }

    #[test]
    fn overrides_cannot_break_out_of_their_header() {
        let line =
            "GET /bucket/key?response-content-type=text%2Fhtml&response-content-disposition=a%3Bfilename%3D%C3%A4";
        let request = get(line, &[]).expect("sound");
        assert_eq!(request.overrides.content_type.as_ref().map(|value| value.as_bytes()), Some(&b"text/html"[..]));
        assert!(!request.overrides.is_empty() && !format!("{request:?}").contains("text/html"));
        let split = get("GET /bucket/key?response-expires=a%0D%0Aset-cookie%3A%20b", &[]);
        assert!(matches!(split, Err(S3Fault::InvalidArgument { .. })));
    }

    fn copy(headers: &[(&str, &str)]) -> Result<CopyObjectRequest, S3Fault> {
        read("PUT /bucket/key", headers, CopyObjectRequest::parse)
    }

    #[test]
    fn a_copy_keeps_or_replaces() {
        let source = ("x-amz-copy-source", "other/key");
        let kept = copy(&[source, ("content-type", "a/b"), ("x-amz-tagging", "t=1")]).expect("sound");
        assert_eq!((kept.metadata, kept.tagging), (Metadata::Copy, Tagging::Copy));
        let directives = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-tagging-directive", "REPLACE")];
        let replaced = copy(&[source, directives[0], directives[1], ("content-type", "a/b")]).expect("sound");
        assert!(matches!(replaced.metadata, Metadata::Replace(content, _) if content.content_type.is_some()));
        assert!(matches!(replaced.tagging, Tagging::Replace(tags) if tags.pairs().is_empty()));
        let unknown = copy(&[source, ("x-amz-metadata-directive", "replace")]);
        assert!(matches!(unknown, Err(S3Fault::InvalidArgument { .. })));
    }

    #[test]
    fn a_copy_onto_itself_must_change_something() {
        let source = ("x-amz-copy-source", "/bucket/k%65y");
        assert_eq!(copy(&[source]), Err(S3Fault::IllegalSelfCopy));
        let tags = ("x-amz-tagging-directive", "REPLACE");
        assert_eq!(copy(&[source, tags]), Err(S3Fault::IllegalSelfCopy));
        for change in [
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-server-side-encryption", "AES256"),
        ] {
            assert!(copy(&[source, change]).is_ok(), "{change:?}");
        }
    }
}
