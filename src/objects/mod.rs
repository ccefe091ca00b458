//! Sealed objects over keys, index and upstream: what `gateway/op/` and `jobs/` work with.
//!
//! Above this floor there is plaintext and client-visible facts; below it ciphertext and stored sizes.
//! Nothing is published before the sender's proof of the body was checked ([`PlainSource::verify`]), and nothing
//! is handed up before its tag was.

use std::sync::Arc;

use crate::base::Clock;
use crate::hashing::Md5Lanes;
use crate::keys::BucketKeys;
use crate::store::index::Index;
use crate::store::{BucketRow, Store, UploadId};
use crate::upstream::{Upstream, UpstreamUploadId};

use self::in_progress::InProgress;

mod able;
mod adopt;
mod buckets;
mod claim;
mod condition;
mod copy;
mod delete;
mod error;
mod facts;
mod foreign;
mod in_progress;
mod list;
mod open;
mod policy;
mod put;
mod read;
mod remember;
mod seal;
mod source;
mod spool;
mod tags;
mod upload;
mod upstreams;

pub use adopt::{AdoptError, Adopted};
pub use claim::ClaimError;
pub use condition::WriteGuard;
pub use copy::{CopyFacts, CopyFrom, CopyTo, OpenCopy};
pub use delete::Deleted;
pub use error::{ChecksumConflict, ObjectError};
pub use facts::{ListedFacts, ObjectFacts, Provenance};
pub use foreign::ForeignObject;
pub use list::{ListedEntry, Listing};
pub use open::Opened;
pub use policy::{BucketPolicies, BucketPolicy, BucketSettings, EtagPolicy, ForeignObjects};
pub use put::{NewObject, PutObject, Written};
pub use read::{PlainReader, STREAM_BYTES};
pub use source::{BodyRefused, PlainSource};
pub use upstreams::{AdoptBuckets, DEFAULT_REGION, DEFAULT_UPSTREAM, Place, Upstreams};

pub use upload::{
    CompleteUpload, CompletedPart, CreateUpload, CreatedUpload, ListedPart, PartChecksum, PartList, Swept, UploadEntry,
    UploadListRequest, UploadListing, UploadPart, WrittenPart,
};

/// Sealed objects of every bucket. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    inner: Arc<Foundations>,
    /// Held while a bucket is made or removed: each is two steps, and the steps of two must not mix.
    bucket_changes: Arc<tokio::sync::Mutex<()>>,
    seen_foreign: Arc<foreign::SeenForeign>,
    /// Uploads at the upstream that copies of this process are made in.
    copies: InProgress<UpstreamUploadId>,
    /// Uploads that a Complete of this process works on.
    completing: InProgress<UploadId>,
}

/// What [`Objects`] stands on.
pub struct Foundations {
    /// Where ciphertext goes.
    pub upstreams: Upstreams,
    /// How the objects of single buckets are treated.
    pub policies: BucketPolicies,
    /// Bucket keys and DEKs.
    pub keys: BucketKeys,
    /// Uploads in flight.
    pub store: Store,
    /// What is known of objects without asking the upstream.
    pub index: Index,
    /// MD5 of large bodies.
    pub md5: Md5Lanes,
    /// Creation times.
    pub clock: Clock,
}

impl Objects {
    /// Over its foundations.
    pub fn new(on: Foundations) -> Self {
        Self {
            inner: Arc::new(on),
            bucket_changes: Arc::default(),
            seen_foreign: Arc::default(),
            copies: InProgress::default(),
            completing: InProgress::default(),
        }
    }

    /// Where a bucket's objects are.
    fn upstream(&self, bucket: &BucketRow) -> Result<&dyn Upstream, ObjectError> {
        Ok(&*self.inner.upstreams.of(bucket)?.upstream)
    }
}

#[cfg(test)]
mod tests;
