//! The upstreams that the configuration names, and which of them a bucket is at.
//!
//! A bucket's row says where its objects are, for ever: the configuration decides for new buckets only.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::BucketName;
use crate::store::BucketRow;
use crate::upstream::Upstream;

use super::error::ObjectError;

/// The upstream of buckets that the configuration does not say otherwise of.
pub const DEFAULT_UPSTREAM: &str = "default";

/// The region of buckets, where nothing else is said.
pub const DEFAULT_REGION: &str = "us-east-1";

/// What becomes of a bucket that the upstream has and we do not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdoptBuckets {
    /// It does not exist for clients, until the command `adopt` takes it in.
    #[default]
    Never,
    /// Whoever names it first makes it known; the root user owns it.
    FirstUse,
}

/// One upstream. It is used only once it has been claimed ([`Place::claim`]).
#[derive(Clone)]
pub struct Place {
    /// Its name in `[upstream.NAME]`; rows of buckets have it.
    pub name: String,
    /// Where ciphertext goes.
    pub upstream: Arc<dyn Upstream>,
    /// The bucket there that clients cannot name: held-back parts of uploads.
    pub internal_bucket: BucketName,
    /// What becomes of its buckets that we do not know.
    pub adopt: AdoptBuckets,
    /// The region that GetBucketLocation answers for those that are taken in.
    pub region: String,
    is_open: Arc<AtomicBool>,
}

impl Place {
    /// One that has not been claimed yet.
    pub fn new(name: impl Into<String>, upstream: Arc<dyn Upstream>, internal_bucket: BucketName) -> Self {
        let (name, adopt, region) = (name.into(), AdoptBuckets::Never, DEFAULT_REGION.to_owned());
        Self { name, upstream, internal_bucket, adopt, region, is_open: Arc::default() }
    }

    /// Lets requests through from now on.
    pub(super) fn open_for_use(&self) {
        self.is_open.store(true, Ordering::Release);
    }

    /// Whether it has been claimed.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }
}

/// All of them, by name.
#[derive(Clone, Default)]
pub struct Upstreams {
    places: BTreeMap<String, Place>,
    /// Where the configuration wants buckets that are not at the default one.
    assigned: HashMap<BucketName, String>,
}

impl Upstreams {
    /// A single one for all buckets, which nobody else can use and which need not be claimed: for tests and benches.
    pub fn one(upstream: Arc<dyn Upstream>, internal_bucket: BucketName) -> Self {
        let place = Place::new(DEFAULT_UPSTREAM, upstream, internal_bucket);
        place.open_for_use();
        Self::new([place], HashMap::new())
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
            (None, Some((only, _))) if self.places.len() == 1 => self.named(only, bucket),
            (None, _) => self.named(DEFAULT_UPSTREAM, bucket),
        }
    }

    /// By its name, for a bucket that is said to be there.
    pub fn named(&self, name: &str, bucket: &BucketName) -> Result<&Place, ObjectError> {
        let missing = || ObjectError::NoSuchUpstream { upstream: name.to_owned(), bucket: bucket.clone() };
        let place = self.places.get(name).ok_or_else(missing)?;
        match place.is_open() {
            true => Ok(place),
            false => Err(ObjectError::UpstreamUnclaimed { upstream: name.to_owned() }),
        }
    }

    /// Where the configuration wants a bucket to be, where it says so of this one.
    pub fn assigned(&self, bucket: &BucketName) -> Option<&str> {
        self.assigned.get(bucket).map(String::as_str)
    }

    /// Where a bucket may be that is not known: where it would be made first, then at the others by name. Only at one
    /// where the configuration says at which.
    pub(super) fn candidates(&self, bucket: &BucketName) -> impl Iterator<Item = &Place> {
        let assigned = self.assigned.get(bucket);
        let home = match (assigned, self.places.len()) {
            (None, 1) => self.places.values().next(),
            (assigned, _) => self.places.get(assigned.map_or(DEFAULT_UPSTREAM, String::as_str)),
        };
        let elsewhere = self.places.values().filter(move |place| home.is_none_or(|home| place.name != home.name));
        home.into_iter().chain(elsewhere.filter(move |_| assigned.is_none()))
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
