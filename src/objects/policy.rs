//! What the configuration says of single buckets, and what holds where it says nothing.

use std::collections::HashMap;

use crate::base::BucketName;
use crate::store::BucketRow;

/// How a bucket's objects are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketPolicy {
    /// What the ETag of a new object is.
    pub etag: EtagPolicy,
    /// What becomes of objects that were not made here.
    pub foreign: ForeignObjects,
}

/// What the ETag of a new object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtagPolicy {
    /// The MD5 of its plaintext, as S3 has it.
    #[default]
    Md5,
    /// Random digits and a dash: MD5 is the dearest thing in a PUT.
    Opaque,
}

/// What becomes of stored objects that were not made here: no magic, and never known to the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForeignObjects {
    /// They are listed, and reading them is refused.
    #[default]
    Refuse,
    /// They are handed through as they are. Such a bucket has no integrity: its store can put anything into it.
    Pass,
}

/// What `[bucket.NAME]` says; what it leaves out is decided elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// The upstream that it is at, or goes to when it is made.
    pub upstream: Option<String>,
    /// What the ETag of a new object is.
    pub etag: Option<EtagPolicy>,
    /// What becomes of foreign objects.
    pub foreign: Option<ForeignObjects>,
}

/// The policies of all buckets.
#[derive(Clone, Debug, Default)]
pub struct BucketPolicies {
    buckets: HashMap<BucketName, BucketSettings>,
    /// Of buckets that say nothing of it, by their upstream.
    foreign: HashMap<String, ForeignObjects>,
}

impl BucketPolicies {
    /// From the configuration: what it says of buckets, and of foreign objects by upstream.
    pub const fn new(buckets: HashMap<BucketName, BucketSettings>, foreign: HashMap<String, ForeignObjects>) -> Self {
        Self { buckets, foreign }
    }

    /// Of one bucket.
    pub fn of(&self, bucket: &BucketRow) -> BucketPolicy {
        let own = self.buckets.get(&bucket.name);
        let foreign = own.and_then(|own| own.foreign).or_else(|| self.foreign.get(&bucket.upstream).copied());
        BucketPolicy { etag: own.and_then(|own| own.etag).unwrap_or_default(), foreign: foreign.unwrap_or_default() }
    }
}
