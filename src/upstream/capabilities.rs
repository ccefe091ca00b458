//! What an upstream can do, as found by probing it. What it cannot is refused with 501 on its buckets, never emulated
//! without saying so; until it has been probed, with 503.

use crate::base::ObjectKey;
use crate::base::limits::MAX_STORED_PUT_BYTES;

use super::UpstreamError;
use super::special_keys::{KeyFate, SpecialKeys};

/// What an upstream can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether the rest was found out, or is only assumed for the time being.
    pub proof: Proof,
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
    /// What becomes of unusual keys.
    pub special_keys: SpecialKeys,
    /// What it does with a body that breaks off.
    pub short_bodies: ShortBodies,
    /// The largest stored PUT or part, in bytes.
    pub max_put_bytes: u64,
}

/// Where capabilities come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Found by probing, or known.
    Found,
    /// Nobody has been able to ask yet: whatever needs a proof has to wait.
    Pending,
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
    /// Some of it is published: bodies are verified before they go where anybody sees them.
    Published,
}

impl Capabilities {
    /// Everything that S3 itself can do.
    pub const ALL: Self = Self {
        proof: Proof::Found,
        conditional_writes: ConditionalWrites { put: true, complete: true, delete: true },
        suffix_range: true,
        if_match_on_get: true,
        part_copy: true,
        trailer_checksums: true,
        versioning: true,
        tagging: true,
        special_keys: SpecialKeys::all(KeyFate::Kept),
        short_bodies: ShortBodies::Refused,
        max_put_bytes: MAX_STORED_PUT_BYTES,
    };

    /// What is assumed of an upstream before it was probed: nothing, and the worst of broken bodies.
    pub const PENDING: Self = Self {
        proof: Proof::Pending,
        conditional_writes: ConditionalWrites { put: false, complete: false, delete: false },
        suffix_range: false,
        if_match_on_get: false,
        part_copy: false,
        trailer_checksums: false,
        versioning: false,
        tagging: false,
        special_keys: SpecialKeys::all(KeyFate::Changed),
        short_bodies: ShortBodies::Published,
        max_put_bytes: MAX_STORED_PUT_BYTES,
    };

    /// Why a request that needs `what` is refused: for good, or until the upstream has been probed.
    pub fn lacking(&self, what: &'static str) -> UpstreamError {
        match self.proof {
            Proof::Found => UpstreamError::Unsupported(what),
            Proof::Pending => UpstreamError::Unavailable(format!("it has not been probed yet for {what}")),
        }
    }

    /// Refuses a key that the upstream would keep under another name: two objects of a client would become one.
    ///
    /// # Errors
    /// Unsupported, or Unavailable while nothing is known. A key that the upstream itself refuses is let through to it.
    pub fn check_key(&self, key: &ObjectKey) -> Result<(), UpstreamError> {
        match self.special_keys.fate(key) {
            KeyFate::Kept | KeyFate::Refused => Ok(()),
            KeyFate::Changed => Err(self.lacking("this kind of key")),
        }
    }
}
