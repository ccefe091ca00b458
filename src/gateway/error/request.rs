//! Faults of the request itself: all of them the client's.

use super::{Code, Failure};
use crate::s3::S3Fault;

impl From<S3Fault> for Failure {
    fn from(fault: S3Fault) -> Self {
        let failure = place(&fault);
        failure.because(&fault)
    }
}

fn place(fault: &S3Fault) -> Failure {
    let invalid_request = || Failure::client(Code::InvalidRequest);
    match fault {
        S3Fault::InvalidUri(_) => Failure::client(Code::InvalidUri),
        S3Fault::InvalidHost(reason) => invalid_request().saying(*reason),
        S3Fault::KeyTooLong { bytes } => {
            Failure::client(Code::KeyTooLong).and("Size", bytes.to_string()).and("MaxSizeAllowed", "1024")
        }
        S3Fault::InvalidBucketName { name } => Failure::client(Code::InvalidBucketName).and("BucketName", name),
        S3Fault::NoSuchBucket { name } => Failure::client(Code::NoSuchBucket).and("BucketName", name),
        S3Fault::MethodNotAllowed { method, resource } => {
            Failure::client(Code::MethodNotAllowed).and("Method", method).and("ResourceType", resource)
        }
        S3Fault::CorsNotEnabled => Failure::client(Code::AccessForbidden),
        S3Fault::OperationNotImplemented(operation) => {
            Failure::client(Code::NotImplemented).saying(format!("{operation} is not implemented"))
        }
        S3Fault::FormUploadNotImplemented => {
            Failure::client(Code::NotImplemented).saying("Uploads by HTML form are not implemented")
        }
        S3Fault::ParameterNotImplemented { name } => Failure::client(Code::NotImplemented).and("Parameter", name),
        S3Fault::HeaderNotImplemented { header } => Failure::client(Code::NotImplemented).and("Header", header),
        S3Fault::InvalidArgument { name, value, reason } => Failure::client(Code::InvalidArgument)
            .saying(*reason)
            .and("ArgumentName", name.as_ref())
            .and("ArgumentValue", value),
        S3Fault::ConflictingValues { name } => {
            invalid_request().saying(format!("{name} is given more than once, with different values"))
        }
        S3Fault::RangeAndPartNumber => {
            invalid_request().saying("Cannot specify both Range header and partNumber query parameter")
        }
        S3Fault::InvalidStorageClass { value } => {
            Failure::client(Code::InvalidStorageClass).and("StorageClassRequested", value)
        }
        S3Fault::InvalidEncryptionAlgorithm { value } => Failure::client(Code::InvalidEncryptionAlgorithm)
            .and("ArgumentName", "x-amz-server-side-encryption")
            .and("ArgumentValue", value),
        S3Fault::ExpectedOwnerMalformed { header: _, value } => {
            Failure::client(Code::InvalidBucketOwner).and("ExpectedBucketOwner", value)
        }
        S3Fault::ExpectedOwnerMismatch { header: _ } => Failure::client(Code::AccessDenied),
        S3Fault::MetadataTooLarge { bytes } => {
            Failure::client(Code::MetadataTooLarge).and("Size", bytes.to_string()).and("MaxSizeAllowed", "2048")
        }
        S3Fault::InvalidContentMd5 { value } => Failure::client(Code::InvalidDigest).and("Content-MD5", value),
        S3Fault::UnsupportedChecksum { name: _ } => invalid_request().saying(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
             CRC64NVME, SHA1, SHA256]",
        ),
        S3Fault::InvalidChecksumValue { header } => {
            invalid_request().saying(format!("Value for {header} header is invalid."))
        }
        S3Fault::SeveralChecksums => invalid_request()
            .saying("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."),
        S3Fault::ChecksumAlgorithmMismatch => {
            invalid_request().saying("Value for x-amz-sdk-checksum-algorithm header is invalid.")
        }
        S3Fault::ChecksumMissing => invalid_request().saying(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were \
             found.",
        ),
        S3Fault::UnsupportedTrailer { name: _ } => {
            invalid_request().saying("The value specified in the x-amz-trailer header is not supported")
        }
        S3Fault::ChecksumTypeWithoutAlgorithm => invalid_request()
            .saying("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."),
        S3Fault::ChecksumTypeNotSupported { algorithm, kind } => invalid_request().saying(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name().to_ascii_lowercase()
        )),
        S3Fault::BodyChecksumMissing => {
            invalid_request().saying("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
        }
        S3Fault::MalformedXml(_) => Failure::client(Code::MalformedXml),
        S3Fault::XmlTooLong { max_bytes } => {
            Failure::client(Code::MaxMessageLengthExceeded).and("MaxMessageLengthBytes", max_bytes.to_string())
        }
        S3Fault::InvalidPartOrder => Failure::client(Code::InvalidPartOrder),
        S3Fault::NoSuchUpload { upload_id } => Failure::client(Code::NoSuchUpload).and("UploadId", upload_id),
        S3Fault::TooManyTags { count: _ } => {
            Failure::client(Code::BadRequest).saying("Object tags cannot be greater than 10")
        }
        S3Fault::InvalidTag { key, reason } => Failure::client(Code::InvalidTag).saying(*reason).and("TagKey", key),
        S3Fault::InvalidTaggingHeader { value } => Failure::client(Code::InvalidArgument)
            .saying(
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
                 name duplicates.",
            )
            .and("ArgumentName", "x-amz-tagging")
            .and("ArgumentValue", value),
        S3Fault::InvalidCopySource { value, reason } => Failure::client(Code::InvalidArgument)
            .saying(*reason)
            .and("ArgumentName", "x-amz-copy-source")
            .and("ArgumentValue", value),
        S3Fault::IllegalSelfCopy => invalid_request().saying(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes.",
        ),
    }
}
