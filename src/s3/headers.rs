//! The closed table of request headers: every `x-amz-*` header is read, harmless, held to a value, or refused by name.
//!
//! S3 itself ignores some of what it does not know; a proxy that ignored `x-amz-object-lock-mode` would promise what
//! it does not keep. So the table is an allow-list, and what stands nowhere in it is not implemented.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};

use crate::base::{BucketName, ObjectKey};

use super::fault::S3Fault;
use super::operation::Operation as Op;
use super::target::{BucketLabel, Target};
use super::{Parsed, Query};

use self::Rule::{Free, OneOf, OnlyOn, Owner};

/// The account that owns every bucket, for clients that say which one they expect.
pub const ACCOUNT_ID: &str = "000000000000";

enum Rule {
    /// Of the protocol, or read by the operations that know it and without effect on all others.
    Free,
    /// Means something on these operations, and would be ignored against the client's intent on others.
    OnlyOn(&'static [Op]),
    /// These values describe what happens anyway; any other asks for something else.
    OneOf(&'static [&'static str], Otherwise),
    /// Compared with [`ACCOUNT_ID`].
    Owner,
}

/// What another value than the accepted ones is. The first two list what S3 knows beyond them: those are not
/// implemented, anything else is the client's mistake.
enum Otherwise {
    Argument(&'static [&'static str]),
    StorageClass(&'static [&'static str]),
    Encryption(&'static [&'static str]),
    NotImplemented,
}

const COPIES: &[Op] = &[Op::CopyObject, Op::UploadPartCopy];
const TAGGERS: &[Op] = &[Op::PutObject, Op::CopyObject, Op::CreateMultipartUpload];

const TABLE: [(&str, Rule); 42] = [
    // Signature and framing: authn's and the body's.
    ("x-amz-content-sha256", Free),
    ("x-amz-date", Free),
    ("x-amz-decoded-content-length", Free),
    ("x-amz-security-token", Free),
    ("x-amz-trailer", Free),
    // Who is asking, and who pays: nobody is charged here.
    ("x-amz-request-payer", Free),
    ("x-amz-user-agent", Free),
    // Nothing is ever locked, so there is no retention to bypass.
    ("x-amz-bypass-governance-retention", Free),
    // Checksums of bodies; those that are not supported are refused by name when the body's are read.
    ("x-amz-checksum-algorithm", Free),
    ("x-amz-checksum-crc32", Free),
    ("x-amz-checksum-crc32c", Free),
    ("x-amz-checksum-crc64nvme", Free),
    ("x-amz-checksum-md5", Free),
    ("x-amz-checksum-mode", Free),
    ("x-amz-checksum-sha1", Free),
    ("x-amz-checksum-sha256", Free),
    ("x-amz-checksum-sha512", Free),
    ("x-amz-checksum-type", Free),
    ("x-amz-checksum-xxhash128", Free),
    ("x-amz-checksum-xxhash3", Free),
    ("x-amz-checksum-xxhash64", Free),
    ("x-amz-mp-object-size", Free),
    ("x-amz-sdk-checksum-algorithm", Free),
    // Copies and tags.
    ("x-amz-copy-source", OnlyOn(COPIES)),
    ("x-amz-copy-source-if-match", OnlyOn(COPIES)),
    ("x-amz-copy-source-if-modified-since", OnlyOn(COPIES)),
    ("x-amz-copy-source-if-none-match", OnlyOn(COPIES)),
    ("x-amz-copy-source-if-unmodified-since", OnlyOn(COPIES)),
    ("x-amz-copy-source-range", OnlyOn(&[Op::UploadPartCopy])),
    ("x-amz-metadata-directive", OnlyOn(&[Op::CopyObject])),
    ("x-amz-tagging-directive", OnlyOn(&[Op::CopyObject])),
    ("x-amz-tagging", OnlyOn(TAGGERS)),
    // What an object here is anyway. aws-exec-read and the like would share it with somebody.
    ("x-amz-acl", OneOf(&["private", "bucket-owner-full-control"], Otherwise::Argument(CANNED_ACLS))),
    ("x-amz-storage-class", OneOf(&["STANDARD"], Otherwise::StorageClass(STORAGE_CLASSES))),
    (
        "x-amz-server-side-encryption",
        OneOf(&["AES256"], Otherwise::Encryption(&["aws:kms", "aws:kms:dsse", "aws:fsx"])),
    ),
    ("x-amz-server-side-encryption-bucket-key-enabled", OneOf(&["false"], Otherwise::NotImplemented)),
    ("x-amz-object-ownership", OneOf(&["BucketOwnerEnforced"], Otherwise::NotImplemented)),
    ("x-amz-bucket-object-lock-enabled", OneOf(&["false"], Otherwise::NotImplemented)),
    ("x-amz-bucket-namespace", OneOf(&["global"], Otherwise::NotImplemented)),
    // Nothing is ever archived, so there is no status of a restore to show.
    ("x-amz-optional-object-attributes", OneOf(&["RestoreStatus"], Otherwise::NotImplemented)),
    ("x-amz-expected-bucket-owner", Owner),
    ("x-amz-source-expected-bucket-owner", Owner),
];

const CANNED_ACLS: &[&str] = &[
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "log-delivery-write",
];
const STORAGE_CLASSES: &[&str] = &[
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
    "FSX_ONTAP",
];

/// A request whose headers have been held against the table; the typed requests read from it.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    parsed: &'a Parsed,
    headers: &'a HeaderMap,
}

impl<'a> RequestView<'a> {
    /// Checks every header, and every header hoisted into the query, against the table. Call it after authentication:
    /// its faults are about what the client may ask for, not about who it is.
    pub fn new(parsed: &'a Parsed, headers: &'a HeaderMap) -> Result<Self, S3Fault> {
        let view = Self { parsed, headers };
        let sent = headers.keys().map(http::HeaderName::as_str);
        for name in sent.chain(parsed.query.hoisted_headers().map(|(name, _)| name.as_str())) {
            if name.starts_with("x-amz-") && !name.starts_with(METADATA_PREFIX) {
                view.check(name)?;
            }
        }
        Ok(view)
    }

    fn check(&self, name: &str) -> Result<(), S3Fault> {
        let not_implemented = || S3Fault::HeaderNotImplemented { header: name.to_owned() };
        let (name, rule) = TABLE.iter().find(|(known, _)| *known == name).ok_or_else(not_implemented)?;
        match rule {
            Free => Ok(()),
            OnlyOn(operations) if operations.contains(&self.parsed.operation) => Ok(()),
            OnlyOn(_) => Err(not_implemented()),
            OneOf(accepted, otherwise) => {
                let value = self.text(name)?.unwrap_or_default();
                if accepted.contains(&&*value) {
                    return Ok(());
                }
                Err(match otherwise {
                    Otherwise::Argument(known) if !known.contains(&&*value) => {
                        S3Fault::argument(*name, &value, "The value is not one that S3 knows.")
                    }
                    Otherwise::StorageClass(known) if !known.contains(&&*value) => {
                        S3Fault::InvalidStorageClass { value: value.into_owned() }
                    }
                    Otherwise::Encryption(known) if !known.contains(&&*value) => {
                        S3Fault::InvalidEncryptionAlgorithm { value: value.into_owned() }
                    }
                    _ => not_implemented(),
                })
            }
            Owner => {
                let value = self.text(name)?.unwrap_or_default();
                if value.len() != ACCOUNT_ID.len() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(S3Fault::ExpectedOwnerMalformed { header: name, value: value.into_owned() });
                }
                if value != ACCOUNT_ID {
                    return Err(S3Fault::ExpectedOwnerMismatch { header: name });
                }
                Ok(())
            }
        }
    }

    /// Which operation it is.
    pub fn operation(&self) -> Op {
        self.parsed.operation
    }

    /// The query.
    pub(super) fn query(&self) -> &'a Query {
        &self.parsed.query
    }

    /// The bucket. A name that no bucket can have is CreateBucket's fault, and for all others no such bucket.
    pub(super) fn bucket(&self) -> Result<BucketName, S3Fault> {
        match self.parsed.target.bucket() {
            Some(BucketLabel::Name(name)) => Ok(name.clone()),
            Some(BucketLabel::Impossible(raw)) if self.parsed.operation == Op::CreateBucket => {
                Err(S3Fault::InvalidBucketName { name: raw.clone() })
            }
            Some(BucketLabel::Impossible(raw)) => Err(S3Fault::NoSuchBucket { name: raw.clone() }),
            None => Err(S3Fault::NoSuchBucket { name: String::new() }),
        }
    }

    /// Bucket and key.
    pub(super) fn object(&self) -> Result<(BucketName, ObjectKey), S3Fault> {
        match &self.parsed.target {
            Target::Object { key, .. } => Ok((self.bucket()?, key.clone())),
            _ => Err(S3Fault::InvalidUri("the key is empty")),
        }
    }

    /// A parameter of the query, where it has a value.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parsed.query.value(name).filter(|value| !value.is_empty())
    }

    /// A header's bytes: repeated ones joined as in the signature, hoisted ones like sent ones. Both, and different,
    /// is a fault: the two would be read differently by whoever checks only one of them.
    pub(super) fn header(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, S3Fault> {
        let sent = joined(self.headers.get_all(name).iter());
        let hoisted = self.parsed.query.hoisted(name).map(HeaderValue::as_bytes);
        match (sent, hoisted) {
            (Some(sent), Some(hoisted)) if *sent != *hoisted => {
                Err(S3Fault::ConflictingValues { name: name.to_owned() })
            }
            (Some(sent), _) => Ok(Some(sent)),
            (None, hoisted) => Ok(hoisted.map(Cow::Borrowed)),
        }
    }

    /// A header as text, trimmed.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, S3Fault> {
        let bytes = self.header(name)?;
        let no_text = || S3Fault::argument(name.to_owned(), "", "The header is not UTF-8.");
        bytes.map(|bytes| text(bytes).ok_or_else(no_text)).transpose()
    }

    /// Whether a header came in the query.
    pub(super) fn is_hoisted(&self, name: &str) -> bool {
        self.parsed.query.hoisted(name).is_some() && !self.headers.contains_key(name)
    }

    /// The names, each once, of all headers that start with `prefix`, in byte order.
    pub(super) fn names(&self, prefix: &str) -> Vec<&'a str> {
        let sent = self.headers.keys().map(http::HeaderName::as_str);
        let hoisted = self.parsed.query.hoisted_headers().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = sent.chain(hoisted).filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// User metadata; which names and values it has is the client's business.
pub(super) const METADATA_PREFIX: &str = "x-amz-meta-";

fn joined<'a>(mut values: impl Iterator<Item = &'a HeaderValue>) -> Option<Cow<'a, [u8]>> {
    let mut all = Cow::Borrowed(values.next()?.as_bytes());
    for value in values {
        let all = all.to_mut();
        all.push(b',');
        all.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

fn text(bytes: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    Some(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).ok()?.trim()),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).ok()?.trim().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ACCOUNT_ID, TABLE};
    use crate::s3::S3Fault;
    use crate::s3::sample::Sample;

    fn checked(line: &str, headers: &[(&str, &str)]) -> Result<(), S3Fault> {
        Sample::new(line, headers).view().map(|_| ())
    }

    fn not_implemented(header: &str) -> Result<(), S3Fault> {
        Err(S3Fault::HeaderNotImplemented { header: header.to_owned() })
    }

    fn line(operation: &str) -> &'static str {
        match operation {
            "AbortMultipartUpload" => "DELETE /bucket/key?uploadId=u",
            "CompleteMultipartUpload" => "POST /bucket/key?uploadId=u",
            "CopyObject" | "PutObject" => "PUT /bucket/key",
            "CreateBucket" => "PUT /bucket",
            "CreateMultipartUpload" => "POST /bucket/key?uploads",
            "DeleteBucket" => "DELETE /bucket",
            "DeleteObject" => "DELETE /bucket/key",
            "DeleteObjectTagging" => "DELETE /bucket/key?tagging",
            "DeleteObjects" => "POST /bucket?delete",
            "GetBucketLocation" => "GET /bucket?location",
            "GetBucketVersioning" => "GET /bucket?versioning",
            "GetObject" => "GET /bucket/key",
            "GetObjectTagging" => "GET /bucket/key?tagging",
            "HeadBucket" => "HEAD /bucket",
            "HeadObject" => "HEAD /bucket/key",
            "ListMultipartUploads" => "GET /bucket?uploads",
            "ListObjects" => "GET /bucket",
            "ListObjectsV2" => "GET /bucket?list-type=2",
            "ListParts" => "GET /bucket/key?uploadId=u",
            "PutObjectTagging" => "PUT /bucket/key?tagging",
            "UploadPart" | "UploadPartCopy" => "PUT /bucket/key?partNumber=1&uploadId=u",
            other => panic!("{other} has no sample"),
        }
    }

    /// A value of each header that asks for nothing that does not happen anyway; `on` where there is none.
    fn value(header: &str) -> &'static str {
        match header {
            "x-amz-acl" => "private",
            "x-amz-bucket-namespace" => "global",
            "x-amz-bucket-object-lock-enabled" | "x-amz-server-side-encryption-bucket-key-enabled" => "false",
            "x-amz-expected-bucket-owner" | "x-amz-source-expected-bucket-owner" => ACCOUNT_ID,
            "x-amz-object-ownership" => "BucketOwnerEnforced",
            "x-amz-optional-object-attributes" => "RestoreStatus",
            "x-amz-server-side-encryption" => "AES256",
            "x-amz-storage-class" => "STANDARD",
            _ => "on",
        }
    }

    #[test]
    fn every_header_of_the_model_is_accepted_or_refused_by_name() {
        let mut refused = BTreeSet::new();
        for row in include_str!("model_headers.tsv").lines().filter(|line| !line.starts_with('#')) {
            let (operation, headers) = row.split_once('\t').expect("two columns");
            let copy = operation.contains("Copy");
            for header in headers.split(',').filter(|header| *header != "x-amz-copy-source") {
                let copy = if copy { &[("x-amz-copy-source", "b/k")][..] } else { &[] };
                let sent = [copy, &[(header, value(header))]].concat();
                match checked(line(operation), &sent) {
                    Ok(()) => {}
                    fault => {
                        assert_eq!(fault, not_implemented(header), "{operation}");
                        refused.insert(header);
                    }
                }
            }
        }
        let expected = [
            "x-amz-copy-source-server-side-encryption-customer-algorithm",
            "x-amz-copy-source-server-side-encryption-customer-key",
            "x-amz-copy-source-server-side-encryption-customer-key-md5",
            "x-amz-grant-full-control",
            "x-amz-grant-read",
            "x-amz-grant-read-acp",
            "x-amz-grant-write",
            "x-amz-grant-write-acp",
            "x-amz-if-match-initiated-time",
            "x-amz-if-match-last-modified-time",
            "x-amz-if-match-size",
            "x-amz-mfa",
            "x-amz-object-annotation-directive",
            "x-amz-object-lock-event-hold",
            "x-amz-object-lock-event-hold-duration-days",
            "x-amz-object-lock-event-hold-duration-years",
            "x-amz-object-lock-legal-hold",
            "x-amz-object-lock-mode",
            "x-amz-object-lock-retain-until-date",
            "x-amz-server-side-encryption-aws-kms-key-id",
            "x-amz-server-side-encryption-context",
            "x-amz-server-side-encryption-customer-algorithm",
            "x-amz-server-side-encryption-customer-key",
            "x-amz-server-side-encryption-customer-key-md5",
            "x-amz-website-redirect-location",
            "x-amz-write-offset-bytes",
        ];
        assert_eq!(refused, BTreeSet::from(expected));
    }

    #[test]
    fn the_table_names_each_header_once() {
        assert_eq!(TABLE.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), TABLE.len());
    }

    #[test]
    fn a_header_that_nobody_knows_is_refused() {
        assert_eq!(checked("PUT /bucket/key", &[("x-amz-tomorrow", "1")]), not_implemented("x-amz-tomorrow"));
        assert_eq!(checked("PUT /bucket/key?x-amz-tomorrow=1", &[]), not_implemented("x-amz-tomorrow"));
        for other in ["x-amzn-trace-id", "amz-sdk-request", "x-forwarded-for", "x-minio-extract"] {
            assert_eq!(checked("PUT /bucket/key", &[(other, "1")]), Ok(()), "{other}");
        }
    }

    #[test]
    fn values_that_ask_for_something_else_are_refused() {
        let put = |header: &str, value: &str| checked("PUT /bucket/key", &[(header, value)]);
        assert_eq!(put("x-amz-acl", "bucket-owner-full-control"), Ok(()));
        assert_eq!(put("x-amz-acl", "public-read"), not_implemented("x-amz-acl"));
        assert!(matches!(put("x-amz-acl", "mine"), Err(S3Fault::InvalidArgument { .. })));
        assert_eq!(put("x-amz-storage-class", "GLACIER"), not_implemented("x-amz-storage-class"));
        assert!(matches!(put("x-amz-storage-class", "COLD"), Err(S3Fault::InvalidStorageClass { .. })));
        let encryption = "x-amz-server-side-encryption";
        assert_eq!(put(encryption, "aws:kms"), not_implemented(encryption));
        assert!(matches!(put(encryption, "ROT13"), Err(S3Fault::InvalidEncryptionAlgorithm { .. })));
        let lock = "x-amz-bucket-object-lock-enabled";
        assert_eq!(checked("PUT /bucket", &[(lock, "true")]), not_implemented(lock));
    }

    #[test]
    fn copy_headers_without_a_copy_are_refused() {
        for header in ["x-amz-copy-source-if-match", "x-amz-metadata-directive", "x-amz-copy-source-range"] {
            assert_eq!(checked("PUT /bucket/key", &[(header, "COPY")]), not_implemented(header));
        }
        assert_eq!(checked("GET /bucket/key", &[("x-amz-copy-source", "b/k")]), not_implemented("x-amz-copy-source"));
        assert_eq!(checked("PUT /bucket/key?tagging", &[("x-amz-tagging", "a=b")]), not_implemented("x-amz-tagging"));
    }

    #[test]
    fn the_expected_owner_must_be_ours() {
        let owner = |value: &str| checked("GET /bucket", &[("x-amz-expected-bucket-owner", value)]);
        assert_eq!(owner(ACCOUNT_ID), Ok(()));
        assert!(matches!(owner("111122223333"), Err(S3Fault::ExpectedOwnerMismatch { .. })));
        for value in ["", "me", "1111222233334", "11112222333x"] {
            assert!(matches!(owner(value), Err(S3Fault::ExpectedOwnerMalformed { .. })), "{value}");
        }
    }

    #[test]
    fn a_header_and_its_hoisted_twin_must_agree() {
        let acl = |header| checked("PUT /bucket/key?X-Amz-Acl=private", &[("x-amz-acl", header)]);
        assert_eq!(acl("private"), Ok(()));
        assert_eq!(acl("bucket-owner-full-control"), Err(S3Fault::ConflictingValues { name: "x-amz-acl".to_owned() }));
    }

    #[test]
    fn a_header_that_is_not_utf8_does_not_panic() {
        let mut sample = Sample::new("PUT /bucket/key", &[]);
        sample.append_bytes("x-amz-acl", b"pr\xffvate");
        assert!(matches!(sample.view(), Err(S3Fault::InvalidArgument { .. })));
    }
}
