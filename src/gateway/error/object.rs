//! Failures of objects and of what is behind them. What the store, the database or the keys did is never told in detail.

use http::header::RETRY_AFTER;

use super::{Code, Failure, Side};
use crate::envelope::SealError;
use crate::keys::KeysError;
use crate::objects::{ChecksumConflict, ObjectError};
use crate::store::StoreError;
use crate::upstream::UpstreamError;

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        place(&error).because(&error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        store(&error).because(&error)
    }
}

fn place(error: &ObjectError) -> Failure {
    match error {
        ObjectError::NoSuchBucket => Failure::client(Code::NoSuchBucket),
        ObjectError::BucketExists { owner: _ } => Failure::client(Code::BucketAlreadyExists),
        ObjectError::BucketNotEmpty => Failure::client(Code::BucketNotEmpty),
        ObjectError::NoSuchUpstream { upstream: _, bucket: _ } | ObjectError::UpstreamUnclaimed { upstream: _ } => {
            Failure::new(Code::ServiceUnavailable, Side::Upstream)
        }
        ObjectError::NoSuchKey => Failure::client(Code::NoSuchKey),
        ObjectError::NoSuchUpload => Failure::client(Code::NoSuchUpload),
        ObjectError::PreconditionFailed => Failure::client(Code::PreconditionFailed),
        ObjectError::Conflict => Failure::client(Code::ConditionalRequestConflict),
        ObjectError::InvalidPart { number } => {
            Failure::client(Code::InvalidPart).and("PartNumber", number.get().to_string())
        }
        ObjectError::InvalidPartOrder => Failure::client(Code::InvalidPartOrder),
        ObjectError::PartTooSmall { number, plaintext_bytes } => Failure::client(Code::EntityTooSmall)
            .and("ProposedSize", plaintext_bytes.to_string())
            .and("MinSizeAllowed", crate::base::limits::MIN_PART_BYTES.to_string())
            .and("PartNumber", number.get().to_string()),
        ObjectError::TooLarge { plaintext_bytes } => {
            Failure::client(Code::EntityTooLarge).and("ProposedSize", plaintext_bytes.to_string())
        }
        ObjectError::MetadataTooLarge => Failure::client(Code::MetadataTooLarge),
        ObjectError::Checksum(conflict) => checksum(*conflict),
        ObjectError::ObjectSizeMismatch { declared: _, actual: _ } => Failure::client(Code::InvalidRequest)
            .saying("The provided 'x-amz-mp-object-size' header does not match the size of the uploaded parts."),
        ObjectError::SourceChanged => Failure::client(Code::ConditionalRequestConflict),
        ObjectError::SourceTooLarge => Failure::client(Code::InvalidRequest).saying(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ),
        ObjectError::SourceRange { plaintext_bytes } => Failure::client(Code::InvalidArgument)
            .saying(format!("Range specified is not valid for source object of size: {plaintext_bytes}")),
        // Whoever owns the source says why (`super::body`); this is what is left where nobody did.
        ObjectError::Body(_) => Failure::client(Code::IncompleteBody),
        ObjectError::Foreign { found: _ } => Failure::new(Code::ObjectNotSealed, Side::Integrity),
        ObjectError::Integrity(_) | ObjectError::Row(_) => Failure::new(Code::InternalError, Side::Integrity),
        ObjectError::Digests(_) => Failure::new(Code::InternalError, Side::Internal),
        ObjectError::Seal(error) => seal(error),
        ObjectError::Keys(error) => keys(error),
        ObjectError::Store(error) => store(error),
        ObjectError::Upstream(error) => upstream(error),
    }
}

/// Lengths and names are checked before anything is sealed, so most of these cannot be.
fn seal(error: &SealError) -> Failure {
    match error {
        SealError::TooLong => Failure::client(Code::EntityTooLarge),
        SealError::Manifest(_)
        | SealError::BufferTooSmall
        | SealError::Finished
        | SealError::PartNumber(_)
        | SealError::Wrap => Failure::new(Code::InternalError, Side::Internal),
    }
}

fn checksum(conflict: ChecksumConflict) -> Failure {
    match conflict {
        ChecksumConflict::Value => Failure::client(Code::BadDigest),
        ChecksumConflict::PartAlgorithm => Failure::client(Code::InvalidRequest)
            .saying("Checksum Type mismatch occurred, the checksum algorithm of the part is not the upload's."),
        ChecksumConflict::PartLacksChecksum => Failure::client(Code::InvalidRequest).saying(
            "The upload was created with a checksum algorithm. The part must include the checksum of that algorithm.",
        ),
        ChecksumConflict::Type => Failure::client(Code::InvalidRequest)
            .saying("The upload was created with another checksum type than x-amz-checksum-type names."),
        ChecksumConflict::NotConsecutive => Failure::client(Code::InvalidRequest)
            .saying("With additional checksums, part numbers must be consecutive and begin with 1."),
    }
}

fn store(error: &StoreError) -> Failure {
    match error {
        StoreError::Busy => Failure::new(Code::SlowDown, Side::Store),
        StoreError::Full => Failure::new(Code::InsufficientStorage, Side::Store),
        StoreError::Closed | StoreError::Io(_) => Failure::new(Code::ServiceUnavailable, Side::Store),
        StoreError::Corrupt { .. } => Failure::new(Code::InternalError, Side::Integrity),
        StoreError::Conflict
        | StoreError::NoParent
        | StoreError::Unstorable(_)
        | StoreError::Newer { .. }
        | StoreError::Older { .. }
        | StoreError::Missing { .. }
        | StoreError::Foreign { .. }
        | StoreError::Url => Failure::new(Code::InternalError, Side::Store),
    }
}

/// By the time it comes here, `objects` has turned into client faults what a client can have done. The rest is between
/// us and the store: a bucket or upload that only we know to be there, a refusal of our own credentials.
fn upstream(error: &UpstreamError) -> Failure {
    match error {
        UpstreamError::NoSuchBucket => Failure::new(Code::NoSuchBucket, Side::Upstream),
        UpstreamError::NoSuchKey => Failure::new(Code::NoSuchKey, Side::Client),
        UpstreamError::NoSuchUpload => Failure::new(Code::NoSuchUpload, Side::Client),
        UpstreamError::BucketExists => Failure::new(Code::BucketAlreadyExists, Side::Client),
        UpstreamError::BucketNotEmpty => Failure::new(Code::BucketNotEmpty, Side::Client),
        UpstreamError::PreconditionFailed => Failure::new(Code::PreconditionFailed, Side::Client),
        UpstreamError::Conflict => Failure::new(Code::ConditionalRequestConflict, Side::Client),
        UpstreamError::TooLarge => Failure::new(Code::EntityTooLarge, Side::Client),
        UpstreamError::InvalidPart { number: _ } => Failure::new(Code::InvalidPart, Side::Client),
        UpstreamError::PartTooSmall { number: _ } | UpstreamError::InvalidRange | UpstreamError::Body(_) => {
            Failure::new(Code::InternalError, Side::Upstream)
        }
        UpstreamError::Unsupported(_) => Failure::new(Code::NotImplemented, Side::Upstream),
        UpstreamError::Full => Failure::new(Code::InsufficientStorage, Side::Upstream),
        UpstreamError::Unavailable(_) => Failure::new(Code::ServiceUnavailable, Side::Upstream),
        UpstreamError::Broken(_) => Failure::new(Code::InternalError, Side::Upstream),
    }
}

fn keys(error: &KeysError) -> Failure {
    match error {
        KeysError::Unavailable { reason: _, retry_after } => {
            let seconds = retry_after.as_secs().max(1).to_string();
            Failure::new(Code::ServiceUnavailable, Side::Keys).header(RETRY_AFTER, seconds)
        }
        KeysError::Refused { reason: _ } | KeysError::OtherKeyring { expected: _, found: _ } => {
            Failure::new(Code::ServiceUnavailable, Side::Keys)
        }
        // Shredded, moved here from another deployment or bucket, or damaged: asking again changes nothing.
        KeysError::NoSuchKey(_) | KeysError::WrongDomain(_) | KeysError::Integrity(_) => {
            Failure::new(Code::InternalError, Side::Integrity)
        }
    }
}
