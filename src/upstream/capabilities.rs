//! What an upstream can do, as found by probing it. What it cannot is refused with 501 on its buckets, never emulated
//! without saying so.

use crate::base::limits::MAX_STORED_PUT_BYTES;

/// What an upstream can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Which writes it makes conditional, atomically. Some answer 200 to a conditional write and overwrite.
    pub conditional_writes: ConditionalWrites,
    /// `bytes=-N` is answered with the last N bytes.
    pub suffix_range: bool,
    /// `If-Match` on GET is honoured. (Readers look at the answer's ETag all the same.)
    pub if_match_on_get: bool,
    /// UploadPartCopy, with a range and a condition on its source.
    pub part_copy: bool,
    /// `aws-chunked` bodies with an unsigned checksum trailer.
    pub trailer_checksums: bool,
    /// Buckets can keep versions.
    pub versioning: bool,
    /// Tags are stored.
    pub tagging: bool,
    /// Keys with `..`, `//`, a trailing `/`, `%`, `+` and 1024 bytes are kept as they are.
    pub special_keys: bool,
    /// What it does with a body that breaks off.
    pub short_bodies: ShortBodies,
    /// The largest stored PUT or part, in bytes.
    pub max_put_bytes: u64,
}

/// The writes that can carry a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionalWrites {
    /// PutObject.
    pub put: bool,
    /// CompleteMultipartUpload.
    pub complete: bool,
    /// DeleteObject.
    pub delete: bool,
}

/// What becomes of a PUT or a part whose body breaks off before its declared length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortBodies {
    /// Nothing is published, as it should be.
    Refused,
    /// Some of it is published: bodies are spooled and verified before the first byte goes up.
    Published,
}

impl Capabilities {
    /// Everything that S3 itself can do.
    pub const ALL: Self = Self {
        conditional_writes: ConditionalWrites { put: true, complete: true, delete: true },
        suffix_range: true,
        if_match_on_get: true,
        part_copy: true,
        trailer_checksums: true,
        versioning: true,
        tagging: true,
        special_keys: true,
        short_bodies: ShortBodies::Refused,
        max_put_bytes: MAX_STORED_PUT_BYTES,
    };
}
