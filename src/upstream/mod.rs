//! The store behind us, at the level of S3 operations: it holds ciphertext and need not be trusted.
//!
//! Two implementations pass one suite: [`local`], a directory on this machine, and `s3`, any S3 service.
//! Everything here is in *stored* terms: stored sizes, upstream ETags, upstream upload ids.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{BucketName, ObjectKey, Timestamp};
use crate::envelope::ContentHeader;

mod capabilities;
#[cfg(test)]
pub(crate) mod liar;
pub mod local;
pub mod probe;
pub mod s3;
mod special_keys;
#[cfg(test)]
pub(crate) mod suite;
#[cfg(test)]
pub(crate) mod watched;

pub use capabilities::{Capabilities, ConditionalWrites, Proof, ShortBodies};
pub use special_keys::{KeyFate, KeyKind, SpecialKeys};

/// The upstream's own entity tag, opaque and without quotes; it changes whenever the stored bytes do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamEtag(pub Arc<str>);

/// The upstream's version id; absent where the bucket has never been versioned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub Arc<str>);

/// The upstream's multipart upload id; never shown to clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamUploadId(pub Arc<str>);

/// An object, and possibly one version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// `None` is the current version.
    pub version: Option<VersionId>,
}

impl ObjectRef {
    /// The current version of `key` in `bucket`.
    pub fn current(bucket: &BucketName, key: &ObjectKey) -> Self {
        Self { bucket: bucket.clone(), key: key.clone(), version: None }
    }
}

/// A multipart upload in flight at the upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadRef {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upstream's id.
    pub id: UpstreamUploadId,
}

/// What the upstream says of a stored object. `etag` and `stored_bytes` are the index's validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFacts {
    /// Changes whenever the stored bytes do.
    pub etag: UpstreamEtag,
    /// Length of the whole stored object.
    pub stored_bytes: u64,
    /// When it was stored, by the upstream's clock.
    pub last_modified: Timestamp,
    /// Its version, where the bucket is or was versioned.
    pub version: Option<VersionId>,
    /// How many tags it has, where the upstream says so.
    pub tag_count: u16,
}

/// Which stored bytes to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredRange {
    /// All of them.
    Whole,
    /// `len` bytes from `offset`; both inside the object, `len` at least 1.
    Slice {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
    /// The last `len` bytes, or the whole object where it is shorter.
    Suffix {
        /// Number of bytes, at least 1.
        len: u64,
    },
}

/// What must hold for a write or a delete, checked atomically with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Nothing.
    #[default]
    None,
    /// No current object under the key (`If-None-Match: *`).
    Absent,
    /// The current object has this upstream ETag (`If-Match`); NoSuchKey when there is none.
    Matches(UpstreamEtag),
}

/// Object tags, in the client's order: at most 10, checked by the S3 parser.
pub type Tags = Vec<(String, String)>;

/// Every buffer handed to a [`BodySource`] has at least this many bytes: room for a few whole segments.
pub const MIN_BUFFER_BYTES: usize = 64 << 10;

/// What an upstream holds of one body at most, in either direction, whatever its size.
pub const STREAM_BYTES: usize = 512 << 10;

/// Bytes on their way up. The upstream pulls; the source encrypts, verifies and ends, or fails.
/// The caller owns the buffer and uses it again, so nothing is allocated or zeroed per read.
#[async_trait]
pub trait BodySource: Send {
    /// Fills `into` from its start, as far as it likes to wait; 0 only at the end.
    /// An error means that the body is refused: the upstream MUST publish nothing and answer [`UpstreamError::Body`].
    /// Not cancel safe: who drops a read before its end MUST give up the body.
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted>;
}

/// Bytes on their way down, opened lazily: nothing is fetched before the first read.
#[async_trait]
pub trait BodyReader: Send {
    /// Fills `into`, of any length but 0, from its start; 0 only at the end, and never before the promised length.
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, UpstreamError>;
}

/// A body whose stored length is known before its first byte.
pub struct PutBody<'a> {
    /// Exactly how many bytes `source` yields; any other number is refused and publishes nothing.
    pub stored_bytes: u64,
    /// Where they come from.
    pub source: &'a mut dyn BodySource,
}

/// Why a [`BodySource`] ended early. The source keeps the reason for its owner; upstreams only stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body was refused before its end")]
pub struct BodyAborted;

/// What an upstream says of an object's content. Of ours it says nothing: that is sealed in the object.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// Headers, each once.
    pub headers: Vec<(ContentHeader, Vec<u8>)>,
    /// User metadata: lower-case names without `x-amz-meta-`, each once.
    pub metadata: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The answer to a GET.
pub struct GetReply {
    /// Facts of the whole object that `body` is taken from.
    pub facts: StoredFacts,
    /// What else is said of it.
    pub described: Described,
    /// The first stored byte that `body` yields.
    pub offset: u64,
    /// How many bytes `body` yields.
    pub len: u64,
    /// The bytes.
    pub body: Box<dyn BodyReader>,
}

/// What DELETE did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteReply {
    /// The version that was removed, or that the delete marker has.
    pub version: Option<VersionId>,
    /// Whether a delete marker was made or removed.
    pub delete_marker: bool,
}

/// One page of a listing, asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Only keys that start with it; may be empty.
    pub prefix: String,
    /// Keys that contain it after the prefix are rolled up; `None` or never empty.
    pub delimiter: Option<String>,
    /// Only keys (and common prefixes) after this one in byte order. A common prefix given here is passed as a whole.
    pub after: Option<String>,
    /// At most this many keys and common prefixes together, 0 to 1000.
    pub max_entries: u32,
}

/// One listed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: ObjectKey,
    /// Facts of its current version (`tag_count` is 0: listings do not say).
    pub facts: StoredFacts,
}

/// One page of a listing. Keys and common prefixes are each in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects.
    pub objects: Vec<ListedObject>,
    /// Prefixes up to and including the delimiter.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts (its `after`), when there is one.
    pub next_after: Option<String>,
}

/// A part that the upstream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// 1 to 10,001 (the footer's number may be one above S3's limit where the upstream allows it).
    pub number: u16,
    /// Its upstream ETag.
    pub etag: UpstreamEtag,
    /// Its stored length.
    pub stored_bytes: u64,
    /// When it was stored.
    pub last_modified: Timestamp,
}

/// An upload that the upstream knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// Which.
    pub upload: UploadRef,
    /// When it was begun.
    pub initiated: Timestamp,
}

/// An upstream. Every method may be called concurrently.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes a bucket. [`UpstreamError::BucketExists`] when it is there.
    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError>;
    /// Removes an empty bucket. Uploads in flight count as content.
    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError>;
    /// Whether the bucket is there.
    async fn head_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError>;

    /// Stores an object. Published whole, durable, and only after `body` ended well with exactly its length.
    async fn put_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError>;
    /// Reads an object. With `if_match` only when its upstream ETag is that one, else PreconditionFailed.
    /// A suffix of an empty object is an empty body.
    async fn get_object(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<GetReply, UpstreamError>;
    /// The facts of an object.
    async fn head_object(&self, object: &ObjectRef) -> Result<StoredFacts, UpstreamError>;
    /// Removes an object. Removing what is not there succeeds, unless the condition says otherwise.
    async fn delete_object(&self, object: &ObjectRef, condition: WriteCondition) -> Result<DeleteReply, UpstreamError>;
    /// Removes up to 1000 objects of one bucket; one result each, in order.
    async fn delete_objects(
        &self,
        bucket: &BucketName,
        objects: &[ObjectRef],
    ) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError>;
    /// One page of the current objects of a bucket.
    async fn list_objects(&self, bucket: &BucketName, request: &ListRequest) -> Result<ListPage, UpstreamError>;

    /// The tags of an object.
    async fn get_tags(&self, object: &ObjectRef) -> Result<Tags, UpstreamError>;
    /// Replaces the tags of an object; an empty list removes them. Its ETag and Last-Modified stay.
    async fn put_tags(&self, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError>;

    /// Begins a multipart upload. `tags` are those of the object to come.
    async fn create_multipart(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: &Tags,
    ) -> Result<UploadRef, UpstreamError>;
    /// Stores a part; the last attempt of a number to finish is the part. Durable before it returns.
    async fn upload_part(
        &self,
        upload: &UploadRef,
        number: u16,
        body: PutBody<'_>,
    ) -> Result<StoredPart, UpstreamError>;
    /// Stores a part from bytes that the upstream already holds.
    async fn upload_part_copy(
        &self,
        upload: &UploadRef,
        number: u16,
        source: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<StoredPart, UpstreamError>;
    /// Up to `max` parts with numbers above `after`, ascending.
    async fn list_parts(&self, upload: &UploadRef, after: u16, max: u32) -> Result<Vec<StoredPart>, UpstreamError>;
    /// Publishes the listed parts, ascending, as one object, and forgets the upload. Atomic.
    async fn complete_multipart(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError>;
    /// Forgets an upload and its parts. NoSuchUpload when it is not there.
    async fn abort_multipart(&self, upload: &UploadRef) -> Result<(), UpstreamError>;
    /// Up to `max` uploads in flight in a bucket, by key and then id, after the pair given.
    async fn list_uploads(
        &self,
        bucket: &BucketName,
        after: Option<(&str, &str)>,
        max: u32,
    ) -> Result<Vec<ListedUpload>, UpstreamError>;
}

/// What went wrong at the upstream, by whose fault. Texts are for the log: clients never see them.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No such bucket.
    #[error("the upstream has no such bucket")]
    NoSuchBucket,
    /// No object under this key.
    #[error("the upstream has no such key")]
    NoSuchKey,
    /// No such upload: never begun, completed or aborted.
    #[error("the upstream has no such upload")]
    NoSuchUpload,
    /// The bucket is there already.
    #[error("the upstream has this bucket already")]
    BucketExists,
    /// The bucket still holds objects, or uploads in flight.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// A condition did not hold.
    #[error("a condition did not hold at the upstream")]
    PreconditionFailed,
    /// Another write of the same key got in between; the client may try again.
    #[error("a concurrent write got in between")]
    Conflict,
    /// A range that starts beyond the end of the object.
    #[error("the range is outside the stored object")]
    InvalidRange,
    /// A listed part is not there, or has another ETag.
    #[error("part {number} is not what the upstream holds")]
    InvalidPart {
        /// Its number.
        number: u16,
    },
    /// A part that is not the last is below the upstream's minimum.
    #[error("part {number} is too small for the upstream")]
    PartTooSmall {
        /// Its number.
        number: u16,
    },
    /// Larger than the upstream takes in one request.
    #[error("larger than the upstream takes")]
    TooLarge,
    /// The body's source refused; its owner knows why. Nothing was published.
    #[error(transparent)]
    Body(#[from] BodyAborted),
    /// The upstream cannot do this ([`Capabilities`]).
    #[error("the upstream cannot do this: {0}")]
    Unsupported(&'static str),
    /// No room left. Reads and deletes go on.
    #[error("the upstream is full")]
    Full,
    /// Busy, unreachable, broken off or slow: trying again later may help.
    #[error("the upstream is unavailable: {0}")]
    Unavailable(String),
    /// It answered in a way that we do not understand or accept, or its files are damaged.
    #[error("the upstream misbehaved: {0}")]
    Broken(String),
}

/// Names only: the values are the client's.
impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.headers.iter().map(|(header, _)| header)).finish()
    }
}

impl fmt::Display for UpstreamEtag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
