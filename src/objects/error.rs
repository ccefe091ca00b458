//! What can go wrong with a sealed object, by whose side.

use crate::base::{BucketName, PartNumber, PrincipalId};
use crate::envelope::{FormatError, SealError};
use crate::hashing::LanesFailed;
use crate::keys::KeysError;
use crate::store::StoreError;
use crate::upstream::UpstreamError;

use super::foreign::ForeignObject;
use super::source::BodyRefused;

/// Every failure of an operation on objects. Client-side variants carry what the answer needs;
/// the others are for the log, and `gateway/error.rs` decides what a client sees of them.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket is there already.
    #[error("the bucket is there already")]
    BucketExists {
        /// Whose it is.
        owner: PrincipalId,
    },
    /// The bucket still holds objects or uploads in flight.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The bucket's upstream is not, or no longer, in the configuration.
    #[error("the bucket {bucket} is at the upstream {upstream:?}, which the configuration does not have")]
    NoSuchUpstream {
        /// The name that the bucket's row, or its section, has.
        upstream: String,
        /// The bucket.
        bucket: BucketName,
    },
    /// The bucket's upstream has not answered since the start, or its internal bucket is another deployment's.
    #[error("the upstream {upstream:?} is not in use yet")]
    UpstreamUnclaimed {
        /// Its name.
        upstream: String,
    },
    /// No object under this key.
    #[error("no such key")]
    NoSuchKey,
    /// No such upload for this bucket and key.
    #[error("no such upload")]
    NoSuchUpload,
    /// A condition on the destination does not hold.
    #[error("a condition on the destination does not hold")]
    PreconditionFailed,
    /// The object kept changing while it was read or written; trying again may help.
    #[error("the object changed underneath, repeatedly")]
    Conflict,
    /// A listed part is not there or is not what the client says.
    #[error("part {} is not what was uploaded", number.get())]
    InvalidPart {
        /// Its number.
        number: PartNumber,
    },
    /// The list of parts is not ascending.
    #[error("the list of parts is not ascending")]
    InvalidPartOrder,
    /// A part that is not the last has less than 5 MiB.
    #[error("part {} has {plaintext_bytes} bytes, too few for one that is not the last", number.get())]
    PartTooSmall {
        /// Its number.
        number: PartNumber,
        /// Its plaintext length.
        plaintext_bytes: u64,
    },
    /// Larger than S3 or the upstream takes.
    #[error("{plaintext_bytes} bytes are too many")]
    TooLarge {
        /// The plaintext length.
        plaintext_bytes: u64,
    },
    /// Content headers, metadata and part table do not fit into a manifest.
    #[error("headers and metadata are too large")]
    MetadataTooLarge,
    /// The declared checksums of parts, upload and completion contradict each other.
    #[error("checksums do not agree: {0}")]
    Checksum(ChecksumConflict),
    /// `x-amz-mp-object-size` is not the sum of the parts.
    #[error("the parts have {actual} bytes, not the declared {declared}")]
    ObjectSizeMismatch {
        /// What the client said.
        declared: u64,
        /// The sum.
        actual: u64,
    },
    /// The source of a copy is no longer what was opened.
    #[error("the source of the copy changed meanwhile")]
    SourceChanged,
    /// The source of a copy whose bytes would have to come through here is larger than S3 copies.
    #[error("the source is too large for one copy")]
    SourceTooLarge,
    /// A range to copy that is not inside the source.
    #[error("the range is not inside a source of {plaintext_bytes} bytes")]
    SourceRange {
        /// The source's plaintext length.
        plaintext_bytes: u64,
    },
    /// The source of the body refused it; it knows why.
    #[error(transparent)]
    Body(#[from] BodyRefused),
    /// The stored object is not one of ours: no magic.
    #[error("the stored object was not made here")]
    Foreign {
        /// What was found, for those who may hand it through.
        found: Box<ForeignObject>,
    },
    /// The stored object is damaged, exchanged or not for this name.
    #[error("the stored object fails verification: {0}")]
    Integrity(#[from] FormatError),
    /// Sealing failed: a length beyond the format's limits.
    #[error("the object cannot be sealed: {0}")]
    Seal(#[from] SealError),
    /// Rows in the database that do not open under their key or contradict each other.
    #[error("a sealed row is damaged: {0}")]
    Row(&'static str),
    /// The digests of a body could not be made.
    #[error(transparent)]
    Digests(#[from] LanesFailed),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// How checksums contradict each other in a multipart upload (catalogue of S3 behaviour, "COMPOSITE and FULL_OBJECT").
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumConflict {
    /// A part came with another algorithm than CreateMultipartUpload declared.
    #[error("the part's algorithm is not the upload's")]
    PartAlgorithm,
    /// A composite upload takes parts with checksums only.
    #[error("a part of a composite upload lacks its checksum")]
    PartLacksChecksum,
    /// Complete names another type than CreateMultipartUpload declared.
    #[error("the checksum type is not the upload's")]
    Type,
    /// The object checksum that Complete names is not the one computed.
    #[error("the object's checksum is not the one declared")]
    Value,
    /// With additional checksums part numbers are consecutive from 1.
    #[error("with checksums, part numbers are consecutive from 1")]
    NotConsecutive,
}

/// Of a row that belongs to a bucket: the bucket may have gone meanwhile.
pub(super) fn row_of_bucket(error: StoreError) -> ObjectError {
    match error {
        StoreError::NoParent => ObjectError::NoSuchBucket,
        error => error.into(),
    }
}
