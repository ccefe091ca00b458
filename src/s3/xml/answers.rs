//! Answers that are not listings.

use percent_encoding::utf8_percent_encode;

use crate::base::{BucketName, Digest, ETag, ObjectChecksum, ObjectKey, Timestamp};

use crate::s3::answer::quoted;
use crate::s3::checksum::{checksum_text, digest_text};
use crate::s3::date::iso8601;
use crate::s3::listing::KEEP;

use super::bodies::Verbosity;
use super::writer::Xml;

fn object_checksum(xml: &mut Xml, checksum: Option<&ObjectChecksum>) {
    if let Some(checksum) = checksum {
        xml.text(&format!("Checksum{}", checksum.digest.algorithm().name()), &checksum_text(checksum));
        xml.text("ChecksumType", checksum.kind.name());
    }
}

/// The checksum of a part, or of a part that was copied.
pub(super) fn part_checksum(xml: &mut Xml, digest: Option<&Digest>) {
    if let Some(digest) = digest {
        xml.text(&format!("Checksum{}", digest.algorithm().name()), &digest_text(digest));
    }
}

/// Answers GetBucketLocation. S3 writes the first region as nothing, and clients read nothing as that region.
pub fn location_constraint(region: &str) -> String {
    Xml::document("LocationConstraint", |xml| xml.bare(if region == "us-east-1" { "" } else { region }))
}

/// Answers GetBucketVersioning of a bucket that has never been versioned.
pub fn versioning_configuration() -> String {
    Xml::document("VersioningConfiguration", |_| {})
}

/// Answers GetObjectTagging.
pub fn tagging(tags: &[(String, String)]) -> String {
    Xml::document("Tagging", |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in tags {
                xml.element("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    })
}

/// Answers CopyObject.
pub fn copy_object_result(etag: ETag, last_modified: Timestamp, checksum: Option<&ObjectChecksum>) -> String {
    Xml::document("CopyObjectResult", |xml| {
        xml.text("LastModified", &iso8601(last_modified));
        xml.text("ETag", &quoted(etag));
        object_checksum(xml, checksum);
    })
}

/// Answers UploadPartCopy.
pub fn copy_part_result(etag: ETag, last_modified: Timestamp, checksum: Option<&Digest>) -> String {
    Xml::document("CopyPartResult", |xml| {
        xml.text("LastModified", &iso8601(last_modified));
        xml.text("ETag", &quoted(etag));
        part_checksum(xml, checksum);
    })
}

/// Answers CreateMultipartUpload.
pub fn initiate_multipart_upload_result(bucket: &BucketName, key: &ObjectKey, upload_id: &str) -> String {
    Xml::document("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", bucket.as_str());
        xml.text("Key", key.as_str());
        xml.text("UploadId", upload_id);
    })
}

/// What CompleteMultipartUpload has made.
#[derive(Clone, Debug)]
pub struct CompletedUpload<'a> {
    /// Where it is: a URL of ours, or its path.
    pub location: &'a str,
    /// Its bucket.
    pub bucket: &'a BucketName,
    /// Its key.
    pub key: &'a ObjectKey,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
}

/// Answers CompleteMultipartUpload.
pub fn complete_multipart_upload_result(done: &CompletedUpload<'_>) -> String {
    Xml::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", done.location);
        xml.text("Bucket", done.bucket.as_str());
        xml.text("Key", done.key.as_str());
        xml.text("ETag", &quoted(done.etag));
        object_checksum(xml, done.checksum.as_ref());
    })
}

/// The path of an object in path style, percent-encoded.
pub fn object_path(bucket: &BucketName, key: &ObjectKey) -> String {
    format!("/{bucket}/{}", utf8_percent_encode(key.as_str(), KEEP))
}

/// What became of one entry of DeleteObjects.
#[derive(Clone, Debug)]
pub struct DeleteOutcome<'a> {
    /// As sent.
    pub key: &'a str,
    /// As sent.
    pub version_id: Option<&'a str>,
    /// Why it was not deleted.
    pub failure: Option<DeleteFailure<'a>>,
}

/// S3's words for a failure.
#[derive(Clone, Debug)]
pub struct DeleteFailure<'a> {
    /// The error code.
    pub code: &'a str,
    /// The message.
    pub message: &'a str,
}

/// Answers DeleteObjects.
pub fn delete_result(outcomes: &[DeleteOutcome<'_>], verbosity: Verbosity) -> String {
    Xml::document("DeleteResult", |xml| {
        for outcome in outcomes {
            match &outcome.failure {
                None if verbosity == Verbosity::Quiet => {}
                None => xml.element("Deleted", |xml| {
                    xml.text("Key", outcome.key);
                    xml.optional("VersionId", outcome.version_id);
                }),
                Some(failure) => xml.element("Error", |xml| {
                    xml.text("Key", outcome.key);
                    xml.optional("VersionId", outcome.version_id);
                    xml.text("Code", failure.code);
                    xml.text("Message", failure.message);
                }),
            }
        }
    })
}

/// The body of an error.
#[derive(Clone, Debug)]
pub struct ErrorAnswer<'a> {
    /// S3's code.
    pub code: &'a str,
    /// S3's message.
    pub message: &'a str,
    /// Elements that this code has: name and text.
    pub details: &'a [(&'a str, String)],
    /// The path that was asked for.
    pub resource: &'a str,
    /// x-amz-request-id.
    pub request_id: &'a str,
    /// x-amz-id-2.
    pub host_id: &'a str,
}

/// The body of an error.
pub fn error(answer: &ErrorAnswer<'_>) -> String {
    Xml::plain_document("Error", |xml| {
        xml.text("Code", answer.code);
        xml.text("Message", answer.message);
        for (name, text) in answer.details {
            xml.text(name, text);
        }
        xml.text("Resource", answer.resource);
        xml.text("RequestId", answer.request_id);
        xml.text("HostId", answer.host_id);
    })
}
