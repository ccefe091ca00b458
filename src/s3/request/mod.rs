//! The typed request of each operation: what the client asked for, read once from the [`RequestView`].
//!
//! Bodies are not read here: those that are XML have parsers in [`crate::s3::xml`].

use crate::base::{BucketName, ObjectKey, PartNumber};

use super::fault::S3Fault;
use super::headers::RequestView;
use super::listing::number;

mod bucket;
mod list;
mod multipart;
mod object;

pub use bucket::{BucketRequest, CreateBucketRequest, ListBucketsRequest};
pub use list::{ListObjectsRequest, ListObjectsV2Request, Owners};
pub use multipart::{
    CompleteMultipartUploadRequest, CreateMultipartUploadRequest, ListMultipartUploadsRequest, ListPartsRequest,
    UploadPartCopyRequest, UploadPartRequest, UploadRequest,
};
pub use object::{
    ChecksumMode, CopyObjectRequest, DeleteObjectRequest, DeleteObjectsRequest, GetObjectRequest, Metadata,
    ObjectRequest, PutObjectRequest, PutObjectTaggingRequest, ResponseOverrides, Tagging,
};

/// Which version of an object a request names. Versioning is off, so the only version is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VersionRef {
    /// None named: the current one.
    #[default]
    Current,
    /// `null`, which is the current one too where versioning has never been on.
    Null,
}

impl VersionRef {
    /// Reads a versionId. We have never given one out, so any but `null` is one that cannot be valid; it must not
    /// fall through to the current version, or a DELETE of an old one would remove it.
    pub fn parse(text: &str) -> Result<Self, S3Fault> {
        match text {
            "null" => Ok(Self::Null),
            "" => Err(S3Fault::argument("versionId", text, "Version id cannot be the empty string")),
            _ => Err(S3Fault::argument("versionId", text, "Invalid version id specified")),
        }
    }

    fn of(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        request.query().value("versionId").map_or(Ok(Self::Current), Self::parse)
    }
}

/// Reads partNumber.
fn part_number(request: &RequestView<'_>) -> Result<Option<PartNumber>, S3Fault> {
    let Some(text) = request.query().value("partNumber") else { return Ok(None) };
    let number = number(text).and_then(PartNumber::new).ok_or_else(|| {
        S3Fault::argument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
    })?;
    Ok(Some(number))
}

/// Reads bucket, key and uploadId.
fn upload(request: &RequestView<'_>) -> Result<(BucketName, ObjectKey, String), S3Fault> {
    let (bucket, key) = request.object()?;
    let upload_id = request.query().value("uploadId").unwrap_or_default().to_owned();
    if upload_id.is_empty() || upload_id.len() > MAX_UPLOAD_ID_BYTES {
        return Err(S3Fault::NoSuchUpload { upload_id });
    }
    Ok((bucket, key, upload_id))
}

/// Ours are shorter; a longer one is not looked up.
const MAX_UPLOAD_ID_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::VersionRef;
    use crate::s3::S3Fault;

    #[test]
    fn a_version_that_we_never_gave_out_is_not_the_current_one() {
        assert_eq!(VersionRef::parse("null"), Ok(VersionRef::Null));
        for version in ["", "Null", "v1", "3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", "undefined"] {
            assert!(matches!(VersionRef::parse(version), Err(S3Fault::InvalidArgument { .. })), "{version}");
        }
    }
}
