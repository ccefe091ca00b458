//! The upstreams that the configuration names, and which of them a bucket is at.
//!
//! A bucket's row says where its objects are, for ever: the configuration decides for new buckets only.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::BucketName;
use crate::store::BucketRow;
use crate::upstream::Upstream;

use super::error::ObjectError;

/// The upstream of buckets that the configuration does not say otherwise of.
pub const DEFAULT_UPSTREAM: &str = "default";

/// One upstream.
#[derive(Clone)]
pub struct Place {
    /// Its name in `[upstream.NAME]`; rows of buckets have it.
    pub name: String,
    /// Where ciphertext goes.
    pub upstream: Arc<dyn Upstream>,
    /// The bucket there that clients cannot name: held-back parts of uploads.
    pub internal_bucket: BucketName,
}

/// All of them, by name.
#[derive(Clone, Default)]
pub struct Upstreams {
    places: BTreeMap<String, Place>,
    /// Where the configuration wants buckets that are not at the default one.
    assigned: HashMap<BucketName, String>,
}

impl Upstreams {
    /// A single one, for all buckets.
    pub fn one(upstream: Arc<dyn Upstream>, internal_bucket: BucketName) -> Self {
        let name = DEFAULT_UPSTREAM.to_owned();
        Self::new([Place { name, upstream, internal_bucket }], HashMap::new())
    }

    /// Those given; of two with one name the later one.
    pub fn new(places: impl IntoIterator<Item = Place>, assigned: HashMap<BucketName, String>) -> Self {
        let places = places.into_iter().map(|place| (place.name.clone(), place)).collect();
        Self { places, assigned }
    }

    /// Where a bucket is. An upstream that is no longer configured makes its buckets unavailable, never others.
    pub fn of(&self, bucket: &BucketRow) -> Result<&Place, ObjectError> {
        self.named(&bucket.upstream, &bucket.name)
    }

    /// Where a bucket goes that is new: where the configuration says, else to `default`, else to the only one.
    pub fn home(&self, bucket: &BucketName) -> Result<&Place, ObjectError> {
        match (self.assigned.get(bucket), self.places.first_key_value()) {
            (Some(name), _) => self.named(name, bucket),
            (None, Some((_, only))) if self.places.len() == 1 => Ok(only),
            (None, _) => self.named(DEFAULT_UPSTREAM, bucket),
        }
    }

    /// By its name, for a bucket that is said to be there.
    pub fn named(&self, name: &str, bucket: &BucketName) -> Result<&Place, ObjectError> {
        let missing = || ObjectError::NoSuchUpstream { upstream: name.to_owned(), bucket: bucket.clone() };
        self.places.get(name).ok_or_else(missing)
    }

    /// Where the configuration wants a bucket to be, where it says so of this one.
    pub fn assigned(&self, bucket: &BucketName) -> Option<&str> {
        self.assigned.get(bucket).map(String::as_str)
    }

    /// Every upstream, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    /// Whether clients cannot have a bucket of this name: it is our own at one of them.
    pub fn is_internal(&self, bucket: &BucketName) -> bool {
        self.places.values().any(|place| place.internal_bucket == *bucket)
    }
}
