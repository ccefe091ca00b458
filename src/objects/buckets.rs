//! Buckets: a row here, with the ids that bind its objects and keys, and a bucket of the same name upstream.

use crate::base::{BucketId, BucketName, DomainId, PrincipalId};
use crate::store::{BucketRow, StoreError};
use crate::upstream::{ListRequest, Upstream, UpstreamError};

use super::Objects;
use super::condition::upstream_error;
use super::error::ObjectError;
use super::upstreams::AdoptBuckets;

/// Rows fetched at a time when all buckets are listed.
const BUCKETS_PER_QUERY: u32 = 1000;
/// The owner of what no principal owns: our internal buckets, and those of others at the upstream.
const NOBODY: PrincipalId = PrincipalId::from_bytes([0; 16]);

impl Objects {
    /// A bucket by its name, taken in from its upstream where it is not known and may be. An internal bucket has no row
    /// and is never found.
    pub async fn bucket(&self, name: &BucketName) -> Result<BucketRow, ObjectError> {
        match self.inner.store.bucket(name).await? {
            Some(row) => Ok(row),
            None => self.bucket_on_first_use(name).await,
        }
    }

    /// All buckets, by name.
    pub async fn buckets(&self) -> Result<Vec<BucketRow>, ObjectError> {
        let mut all: Vec<BucketRow> = Vec::new();
        loop {
            let page = self.inner.store.buckets(all.last().map(|bucket| &bucket.name), BUCKETS_PER_QUERY).await?;
            let is_last = page.len() < BUCKETS_PER_QUERY as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Makes a bucket. One that is there upstream without a row is taken only when it is empty: it is what a crash
    /// between the two steps leaves behind; a bucket with content is somebody else's.
    pub async fn create_bucket(
        &self,
        name: &BucketName,
        owner: PrincipalId,
        region: &str,
    ) -> Result<BucketRow, ObjectError> {
        if self.inner.upstreams.is_internal(name) {
            return Err(ObjectError::BucketExists { owner: NOBODY });
        }
        let _one_at_a_time = self.bucket_changes.lock().await;
        if let Some(row) = self.inner.store.bucket(name).await? {
            if row.owner != owner {
                return Err(ObjectError::BucketExists { owner: row.owner });
            }
            return match self.upstream(&row)?.create_bucket(name).await {
                // A delete was cut off after its first step; nothing was in it, so its ids may serve again.
                Ok(()) => Ok(row),
                Err(UpstreamError::BucketExists) => Err(ObjectError::BucketExists { owner: row.owner }),
                Err(error) => Err(upstream_error(error)),
            };
        }
        let place = self.inner.upstreams.home(name)?;
        let was_there = match place.upstream.create_bucket(name).await {
            // AWS in us-east-1 says so of one that was there, too.
            Ok(()) => false,
            Err(UpstreamError::BucketExists) => true,
            Err(error) => return Err(upstream_error(error)),
        };
        if !is_empty(&*place.upstream, name).await? {
            let owner = match place.adopt {
                AdoptBuckets::Never => NOBODY,
                AdoptBuckets::FirstUse => self.take_in(place, name).await.map_or(NOBODY, |row| row.owner),
            };
            return Err(ObjectError::BucketExists { owner });
        }
        let row = BucketRow {
            name: name.clone(),
            bucket_id: BucketId::generate(),
            domain_id: DomainId::generate(),
            upstream: place.name.clone(),
            owner,
            region: region.to_owned(),
            created: self.inner.clock.now(),
            adopted: was_there,
        };
        match self.inner.store.insert_bucket(row.clone()).await {
            Ok(()) => Ok(row),
            Err(StoreError::Conflict) => {
                let row = self.inner.store.bucket(name).await?.ok_or(StoreError::Conflict)?;
                Err(ObjectError::BucketExists { owner: row.owner })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an empty bucket: upstream first, because the row's ids are what its objects are bound to. It goes on when
    /// its caller goes away, or a bucket made in between would lose its row to the second step.
    pub async fn delete_bucket(&self, bucket: &BucketRow) -> Result<(), ObjectError> {
        let (objects, bucket) = (self.clone(), bucket.clone());
        let removal = tokio::spawn(async move { objects.remove_bucket(&bucket).await });
        let broken_off = |_| Err(UpstreamError::Unavailable("removing a bucket broke off".into()).into());
        removal.await.unwrap_or_else(broken_off)
    }

    async fn remove_bucket(&self, bucket: &BucketRow) -> Result<(), ObjectError> {
        let _one_at_a_time = self.bucket_changes.lock().await;
        self.check_bucket(bucket).await?;
        match self.upstream(bucket)?.delete_bucket(&bucket.name).await {
            Ok(()) | Err(UpstreamError::NoSuchBucket) => {}
            Err(error) => return Err(upstream_error(error)),
        }
        self.inner.store.delete_bucket(bucket.bucket_id).await?;
        self.inner.index.forget_bucket(bucket.bucket_id);
        Ok(())
    }

    /// Whether a bucket is still the one that it was when its row was read, and not another one of the same name.
    pub(super) async fn check_bucket(&self, bucket: &BucketRow) -> Result<(), ObjectError> {
        let found = self.inner.store.bucket_by_id(bucket.bucket_id).await?;
        found.map(drop).ok_or(ObjectError::NoSuchBucket)
    }
}

async fn is_empty(upstream: &dyn Upstream, name: &BucketName) -> Result<bool, ObjectError> {
    let request = ListRequest { max_entries: 1, ..ListRequest::default() };
    let page = upstream.list_objects(name, &request).await.map_err(upstream_error)?;
    Ok(page.objects.is_empty())
}
