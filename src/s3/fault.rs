//! What can be wrong with a request, one variant per kind of fault with the data that its answer needs.
//!
//! This module knows no S3 error codes: the doc comments name them, `gateway/error.rs` maps them, totally.
//! Texts here carry names and what the client itself sent as parameters, never metadata values or bodies.

use std::borrow::Cow;

use crate::base::{ChecksumAlgorithm, ChecksumType};

use super::operation::Operation;

/// A request that is refused before any object is looked at. All of them are the client's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum S3Fault {
    /// The request target is not percent-encoded UTF-8 (InvalidURI).
    #[error("the request target cannot be read: {0}")]
    InvalidUri(&'static str),
    /// No usable host, or two that differ (InvalidRequest).
    #[error("the host cannot be used: {0}")]
    InvalidHost(&'static str),
    /// A key longer than S3's 1024 bytes (KeyTooLongError).
    #[error("the key has {bytes} bytes")]
    KeyTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// CreateBucket with a name that breaks S3's rules (InvalidBucketName).
    #[error("'{name}' is no bucket name")]
    InvalidBucketName {
        /// As the client sent it, decoded.
        name: String,
    },
    /// Anything else on a name that no bucket can have (NoSuchBucket).
    #[error("no bucket can be called '{name}'")]
    NoSuchBucket {
        /// As the client sent it, decoded.
        name: String,
    },
    /// The method has no meaning on this resource (MethodNotAllowed).
    #[error("{method} has no meaning on {resource}")]
    MethodNotAllowed {
        /// The method.
        method: String,
        /// SERVICE, BUCKET, OBJECT, or the sub-resource.
        resource: String,
    },
    /// A preflight: buckets have no CORS configuration (AccessForbidden, "CORS is not enabled for this bucket").
    #[error("a CORS preflight, and CORS is off")]
    CorsNotEnabled,
    /// An operation of the model that this proxy does not answer (NotImplemented).
    #[error("{0} is not implemented")]
    OperationNotImplemented(Operation),
    /// A POST of a form to a bucket (NotImplemented).
    #[error("form uploads are not implemented")]
    FormUploadNotImplemented,
    /// A query parameter that would change what the operation does (NotImplemented).
    #[error("the query parameter '{name}' is not implemented")]
    ParameterNotImplemented {
        /// Its name.
        name: String,
    },
    /// A header, or a value of it, that would change what the operation does (NotImplemented, with Header).
    #[error("the header '{header}' is not implemented")]
    HeaderNotImplemented {
        /// Its name, lower case.
        header: String,
    },
    /// A parameter or header whose value cannot be meant (InvalidArgument, with ArgumentName and ArgumentValue).
    #[error("{name}: {reason}")]
    InvalidArgument {
        /// Its name.
        name: Cow<'static, str>,
        /// What the client sent.
        value: String,
        /// Why it is refused; a sentence for the client.
        reason: &'static str,
    },
    /// A header and a query parameter, or a repeated header, say different things (InvalidRequest).
    #[error("'{name}' is given more than once, with different values")]
    ConflictingValues {
        /// Its name, lower case.
        name: String,
    },
    /// Range and partNumber in one request (InvalidRequest).
    #[error("Range and partNumber exclude each other")]
    RangeAndPartNumber,
    /// A storage class that S3 does not know (InvalidStorageClass).
    #[error("'{value}' is no storage class")]
    InvalidStorageClass {
        /// What the client sent.
        value: String,
    },
    /// x-amz-server-side-encryption with a value that S3 does not know (InvalidEncryptionAlgorithmError).
    #[error("'{value}' is no server-side encryption")]
    InvalidEncryptionAlgorithm {
        /// What the client sent.
        value: String,
    },
    /// x-amz-expected-bucket-owner that is no account id of 12 digits (InvalidBucketOwnerAWSAccountID).
    #[error("{header} is no account id")]
    ExpectedOwnerMalformed {
        /// Which header.
        header: &'static str,
        /// What the client sent.
        value: String,
    },
    /// The bucket belongs to another account than the client expects (AccessDenied).
    #[error("{header} names another account")]
    ExpectedOwnerMismatch {
        /// Which header.
        header: &'static str,
    },
    /// Names and values of user metadata beyond 2 KB (MetadataTooLarge, with Size and MaxSizeAllowed).
    #[error("the user metadata has {bytes} bytes")]
    MetadataTooLarge {
        /// How much it is.
        bytes: usize,
    },

    /// Content-MD5 that is not base64 of 16 bytes (InvalidDigest).
    #[error("Content-MD5 is not the base64 of 16 bytes")]
    InvalidContentMd5 {
        /// What the client sent.
        value: String,
    },
    /// A checksum algorithm that we do not compute, or nobody knows (InvalidRequest, "Checksum algorithm provided is
    /// unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]").
    #[error("the checksum algorithm '{name}' is not supported")]
    UnsupportedChecksum {
        /// As the client named it.
        name: String,
    },
    /// A checksum that is not base64 of the algorithm's length (InvalidRequest, "Value for {header} header is invalid.").
    #[error("{header} is not a value of its algorithm")]
    InvalidChecksumValue {
        /// The header or element.
        header: Cow<'static, str>,
    },
    /// More than one checksum for one body (InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple
    /// checksum Types are not allowed.").
    #[error("more than one checksum")]
    SeveralChecksums,
    /// x-amz-sdk-checksum-algorithm names another algorithm than the checksum that is sent (InvalidRequest, "Value for
    /// x-amz-sdk-checksum-algorithm header is invalid.").
    #[error("the named checksum algorithm is not the one that is sent")]
    ChecksumAlgorithmMismatch,
    /// x-amz-sdk-checksum-algorithm alone (InvalidRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding
    /// x-amz-checksum-* or x-amz-trailer headers were found.").
    #[error("a checksum algorithm is named and no checksum sent")]
    ChecksumMissing,
    /// x-amz-trailer names something that is no checksum (InvalidRequest, "The value specified in the x-amz-trailer
    /// header is not supported").
    #[error("the trailer '{name}' is not supported")]
    UnsupportedTrailer {
        /// As the client named it.
        name: String,
    },
    /// x-amz-checksum-type without an algorithm (InvalidRequest, "The x-amz-checksum-type header can only be used with
    /// the x-amz-checksum-algorithm header.").
    #[error("a checksum type without an algorithm")]
    ChecksumTypeWithoutAlgorithm,
    /// The algorithm has no checksum of this type (InvalidRequest, "The {kind} checksum type cannot be used with the
    /// {algorithm} checksum algorithm.").
    #[error("{} has no {} checksum", algorithm.name(), kind.name())]
    ChecksumTypeNotSupported {
        /// Which algorithm.
        algorithm: ChecksumAlgorithm,
        /// Which type.
        kind: ChecksumType,
    },
    /// DeleteObjects without Content-MD5 or a checksum (InvalidRequest, "Missing required header for this request:
    /// Content-MD5 OR x-amz-checksum-*").
    #[error("the operation needs Content-MD5 or a checksum")]
    BodyChecksumMissing,

    /// A body that is not the XML of the operation (MalformedXML).
    #[error("the XML is malformed: {0}")]
    MalformedXml(&'static str),
    /// A body longer than any sound XML of the operation (MaxMessageLengthExceeded).
    #[error("the XML is longer than {max_bytes} bytes")]
    XmlTooLong {
        /// The limit, in bytes.
        max_bytes: usize,
    },
    /// CompleteMultipartUpload with parts that do not rise (InvalidPartOrder).
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// An upload id that is none (NoSuchUpload).
    #[error("no such upload")]
    NoSuchUpload {
        /// As the client sent it.
        upload_id: String,
    },
    /// More than ten tags (BadRequest, "Object tags cannot be greater than 10").
    #[error("{count} tags")]
    TooManyTags {
        /// How many there are.
        count: usize,
    },
    /// A tag that breaks S3's rules (InvalidTag).
    #[error("the tag '{key}' is refused: {reason}")]
    InvalidTag {
        /// Its key.
        key: String,
        /// Why; a sentence for the client.
        reason: &'static str,
    },
    /// x-amz-tagging that is not a URL query (InvalidArgument, "The header 'x-amz-tagging' shall be encoded as UTF-8
    /// then URLEncoded URL query parameters without tag name duplicates.").
    #[error("x-amz-tagging cannot be read")]
    InvalidTaggingHeader {
        /// As the client sent it.
        value: String,
    },
    /// x-amz-copy-source that names no object (InvalidArgument, with ArgumentName x-amz-copy-source).
    #[error("x-amz-copy-source: {reason}")]
    InvalidCopySource {
        /// As the client sent it.
        value: String,
        /// Why; a sentence for the client.
        reason: &'static str,
    },
    /// A copy of an object onto itself that changes nothing (InvalidRequest, "This copy request is illegal because it is
    /// trying to copy an object to itself without changing the object's metadata, storage class, website redirect
    /// location or encryption attributes.").
    #[error("a copy onto itself that changes nothing")]
    IllegalSelfCopy,
}

impl S3Fault {
    /// An [`S3Fault::InvalidArgument`].
    pub(crate) fn argument(name: impl Into<Cow<'static, str>>, value: &str, reason: &'static str) -> Self {
        Self::InvalidArgument { name: name.into(), value: value.to_owned(), reason }
    }
}
