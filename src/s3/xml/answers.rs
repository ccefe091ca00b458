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

#[cfg(test)]
mod tests {
    use super::{
        CompletedUpload, DeleteFailure, DeleteOutcome, ErrorAnswer, complete_multipart_upload_result,
        copy_object_result, copy_part_result, delete_result, error, initiate_multipart_upload_result,
        location_constraint, object_path, tagging, versioning_configuration,
    };
    use crate::base::{
        BucketName, ChecksumAlgorithm, ChecksumType, Digest, ETag, Md5, ObjectChecksum, ObjectKey, Timestamp,
    };
    use crate::s3::xml::{DECLARATION, Verbosity};

    const ETAG: ETag = ETag::Multipart(Md5([0; 16]), 2);
    const AT: Timestamp = Timestamp::from_unix_seconds(0);

    fn body(document: &str) -> &str {
        document.strip_prefix(DECLARATION).expect("the declaration comes first")
    }

    fn names() -> (BucketName, ObjectKey) {
        (BucketName::parse("bucket").expect("a name"), ObjectKey::parse("a <&>\"\r b").expect("a key"))
    }

    fn checksum() -> ObjectChecksum {
        let digest = Digest::new(ChecksumAlgorithm::Crc32, &[0; 4]).expect("a digest");
        ObjectChecksum { digest, kind: ChecksumType::Composite, parts: 2 }
    }

    const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

    #[test]
    fn the_first_region_is_written_as_nothing() {
        assert_eq!(
            body(&location_constraint("us-east-1")),
            format!("<LocationConstraint {NAMESPACE}></LocationConstraint>")
        );
        assert!(location_constraint("eu-west-1").contains(">eu-west-1<"));
        let off = format!("<VersioningConfiguration {NAMESPACE}></VersioningConfiguration>");
        assert_eq!(body(&versioning_configuration()), off);
    }

    #[test]
    fn copies_quote_their_etag_and_keep_the_dash_of_checksums() {
        let quoted = "<ETag>&quot;00000000000000000000000000000000-2&quot;</ETag>";
        let expected = format!(
            "<CopyObjectResult {NAMESPACE}><LastModified>1970-01-01T00:00:00.000Z</LastModified>{quoted}\
             <ChecksumCRC32>AAAAAA==-2</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></CopyObjectResult>"
        );
        assert_eq!(body(&copy_object_result(ETAG, AT, Some(&checksum()))), expected);
        let part = copy_part_result(ETAG, AT, Some(&checksum().digest));
        assert!(part.contains("<ChecksumCRC32>AAAAAA==</ChecksumCRC32></CopyPartResult>") && part.contains(quoted));
    }

    #[test]
    fn keys_are_escaped() {
        let (bucket, key) = names();
        let document = initiate_multipart_upload_result(&bucket, &key, "u");
        assert!(document.contains("<Key>a &lt;&amp;&gt;&quot;&#xd; b</Key><UploadId>u</UploadId>"));
        assert_eq!(object_path(&bucket, &key), "/bucket/a%20%3C%26%3E%22%0D%20b");
        let done = CompletedUpload { location: "/bucket/k", bucket: &bucket, key: &key, etag: ETAG, checksum: None };
        assert!(
            complete_multipart_upload_result(&done).contains("<Location>/bucket/k</Location><Bucket>bucket</Bucket>")
        );
    }

    #[test]
    fn a_quiet_delete_answers_failures_only() {
        let failure = Some(DeleteFailure { code: "AccessDenied", message: "Access Denied" });
        let outcomes = [
            DeleteOutcome { key: "a", version_id: None, failure: None },
            DeleteOutcome { key: "b", version_id: Some("null"), failure },
        ];
        let failed = "<Error><Key>b</Key><VersionId>null</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        let quiet = format!("<DeleteResult {NAMESPACE}>{failed}</DeleteResult>");
        assert_eq!(body(&delete_result(&outcomes, Verbosity::Quiet)), quiet);
        let verbose = format!("<DeleteResult {NAMESPACE}><Deleted><Key>a</Key></Deleted>{failed}</DeleteResult>");
        assert_eq!(body(&delete_result(&outcomes, Verbosity::Verbose)), verbose);
    }

    #[test]
    fn tags_are_written_in_order() {
        let tags = [("b".to_owned(), "&".to_owned()), ("a".to_owned(), String::new())];
        let set = "<TagSet><Tag><Key>b</Key><Value>&amp;</Value></Tag><Tag><Key>a</Key><Value></Value></Tag></TagSet>";
        assert_eq!(body(&tagging(&tags)), format!("<Tagging {NAMESPACE}>{set}</Tagging>"));
    }

    #[test]
    fn errors_have_no_namespace() {
        let details = [("Size", "5".to_owned())];
        let answer = ErrorAnswer {
            code: "C",
            message: "M",
            details: &details,
            resource: "/b/<k>",
            request_id: "R",
            host_id: "H",
        };
        let expected = "<Error><Code>C</Code><Message>M</Message><Size>5</Size><Resource>/b/&lt;k&gt;</Resource>\
                        <RequestId>R</RequestId><HostId>H</HostId></Error>";
        assert_eq!(body(&error(&answer)), expected);
    }
}
