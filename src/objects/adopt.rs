//! Buckets that an upstream had before we knew of them: taken in by the command `adopt`, or when they are first named
//! where the configuration says so. Nothing at the upstream is changed. The root user owns them, and what they hold is
//! foreign until it is written here.

use tracing::info;

use crate::base::{BucketId, BucketName, DomainId, Timestamp};
use crate::store::{BucketRow, Store, StoreError};
use crate::upstream::UpstreamError;

use super::Objects;
use super::claim::is_marked;
use super::condition::upstream_error;
use super::error::ObjectError;
use super::upstreams::{AdoptBuckets, Place};

/// Why a bucket is not taken in. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It is not there.
    #[error("upstream {upstream} has no bucket {bucket}")]
    NoSuchBucket {
        /// The upstream's name.
        upstream: String,
        /// The bucket.
        bucket: BucketName,
    },
    /// Wrapped keys and parts in flight of a deployment, ours or another.
    #[error("the bucket {bucket} at upstream {upstream} is a deployment's internal bucket: no client can have it")]
    Internal {
        /// The upstream's name.
        upstream: String,
        /// The bucket.
        bucket: BucketName,
    },
    /// A bucket of this name is known, and it is elsewhere.
    #[error("a bucket {bucket} is known already, at upstream {at}: names are unique here")]
    Elsewhere {
        /// The bucket.
        bucket: BucketName,
        /// Where it is.
        at: String,
    },
    /// Nobody to own it.
    #[error("there is no root user yet: start the server once, then adopt")]
    NoRoot,
    /// It does not do what we need.
    #[error("upstream {upstream}: {error}")]
    Upstream {
        /// The upstream's name.
        upstream: String,
        /// What it did.
        error: UpstreamError,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A bucket that is known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Since just now.
    Now(BucketRow),
    /// It was before.
    Before(BucketRow),
}

impl Place {
    /// Takes in a bucket of this upstream.
    ///
    /// # Errors
    /// It is not there or may not be taken, or what the upstream or the database did.
    pub async fn adopt(&self, bucket: &BucketName, store: &Store, now: Timestamp) -> Result<Adopted, AdoptError> {
        if let Some(row) = store.bucket(bucket).await? {
            return self.known(row);
        }
        if *bucket == self.internal_bucket || self.is_internal_of_any(bucket).await? {
            return Err(AdoptError::Internal { upstream: self.name.clone(), bucket: bucket.clone() });
        }
        let row = BucketRow {
            name: bucket.clone(),
            bucket_id: BucketId::generate(),
            domain_id: DomainId::generate(),
            upstream: self.name.clone(),
            owner: store.root().await?.ok_or(AdoptError::NoRoot)?.id,
            region: self.region.clone(),
            created: now,
            adopted: true,
        };
        match store.insert_bucket(row.clone()).await {
            Ok(()) => {
                info!(target: "audit", event = "adopted", %bucket, upstream = self.name);
                Ok(Adopted::Now(row))
            }
            // Another process was quicker.
            Err(StoreError::Conflict) => self.known(store.bucket(bucket).await?.ok_or(StoreError::Conflict)?),
            Err(error) => Err(error.into()),
        }
    }

    fn known(&self, row: BucketRow) -> Result<Adopted, AdoptError> {
        match row.upstream == self.name {
            true => Ok(Adopted::Before(row)),
            false => Err(AdoptError::Elsewhere { bucket: row.name, at: row.upstream }),
        }
    }

    /// Whether a bucket, which must be there, has a deployment's marker in it: two deployments may share a service.
    async fn is_internal_of_any(&self, bucket: &BucketName) -> Result<bool, AdoptError> {
        let found = match self.upstream.head_bucket(bucket).await {
            Ok(()) => is_marked(&*self.upstream, bucket).await,
            Err(error) => Err(error),
        };
        found.map_err(|error| match error {
            UpstreamError::NoSuchBucket => {
                AdoptError::NoSuchBucket { upstream: self.name.clone(), bucket: bucket.clone() }
            }
            error => AdoptError::Upstream { upstream: self.name.clone(), error },
        })
    }
}

impl Objects {
    /// A bucket that is named for the first time. It is looked for where a new one of its name would be made, then at
    /// the other upstreams whose buckets may be taken in, by name; only there if the configuration says where it is.
    /// One that does not answer is not passed over: the bucket may be there.
    pub(super) async fn bucket_on_first_use(&self, name: &BucketName) -> Result<BucketRow, ObjectError> {
        let upstreams = &self.inner.upstreams;
        if upstreams.is_internal(name) {
            return Err(ObjectError::NoSuchBucket);
        }
        for place in upstreams.candidates(name).filter(|place| place.adopt == AdoptBuckets::FirstUse) {
            // What is not in use yet is an answer of its own.
            let place = upstreams.named(&place.name, name)?;
            match place.upstream.head_bucket(name).await {
                Ok(()) => {
                    let _one_at_a_time = self.bucket_changes.lock().await;
                    return self.take_in(place, name).await;
                }
                Err(UpstreamError::NoSuchBucket) => {}
                Err(error) => return Err(upstream_error(error)),
            }
        }
        Err(ObjectError::NoSuchBucket)
    }

    /// The same where it is known to be there, while no other bucket is made or removed.
    pub(super) async fn take_in(&self, place: &Place, name: &BucketName) -> Result<BucketRow, ObjectError> {
        match place.adopt(name, &self.inner.store, self.inner.clock.now()).await {
            Ok(Adopted::Now(row) | Adopted::Before(row)) => Ok(row),
            Err(AdoptError::Upstream { upstream: _, error }) => Err(upstream_error(error)),
            Err(AdoptError::Store(error)) => Err(error.into()),
            Err(error) => {
                info!(%error, bucket = %name, "not adopted");
                Err(ObjectError::NoSuchBucket)
            }
        }
    }
}
