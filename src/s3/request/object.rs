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
