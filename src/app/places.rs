//! The upstreams of the configuration, opened and claimed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info, warn};

use super::error::StartError;
use super::ground::Ground;
use super::probing::Service;
use super::region_name;
use crate::base::{BucketName, Clock, Shutdown};
use crate::config::{Region, UpstreamConfig, UpstreamKind};
use crate::objects::{BucketPolicies, BucketSettings, Place, Upstreams};
use crate::store::{BucketRow, Store, StoreError};
use crate::upstream::Upstream;
use crate::upstream::local::LocalUpstream;
use crate::upstream::s3::S3Upstream;

/// Rows fetched at a time.
const BUCKETS_PER_QUERY: u32 = 1000;
/// How long until an upstream that did not answer is tried again: soon after it is back, and not a load on it.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);

/// What [`Objects`](crate::objects::Objects) stands on, and what is to be closed at the end.
pub(super) struct Places {
    pub(super) upstreams: Upstreams,
    pub(super) policies: BucketPolicies,
    pub(super) local: Vec<Arc<LocalUpstream>>,
    /// What has to be probed.
    pub(super) services: Vec<Service>,
}

impl Places {
    /// Opens all of them. Nothing is changed where the configuration contradicts what the database knows.
    pub(super) async fn open(
        configured: Vec<UpstreamConfig>,
        buckets: HashMap<BucketName, BucketSettings>,
        region: &Region,
        store: &Store,
        ground: &Ground,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let rows = known_buckets(store).await?;
        check(&configured, &buckets, &rows)?;
        let (mut places, mut local, mut services) = (Vec::new(), Vec::new(), Vec::new());
        let foreign = configured.iter().map(|one| (one.name.clone(), one.foreign)).collect();
        for one in configured {
            let mut s3 = None;
            let upstream: Arc<dyn Upstream> = match one.kind {
                UpstreamKind::Local { path } => {
                    // A disk that is not mounted looks like a new one; buckets that are known say that it is not.
                    if ground.is_vacant(&path)? && rows.iter().any(|row| row.upstream == one.name) {
                        return Err(StartError::ObjectsMissing { objects: path, state: ground.state.clone() });
                    }
                    let opened = Arc::new(LocalUpstream::open(&path, clock.clone()).await?);
                    local.push(opened.clone());
                    opened
                }
                UpstreamKind::S3(settings) => {
                    let opened = S3Upstream::open(*settings, clock.clone()).await;
                    let refused = |source| StartError::UpstreamSettings { upstream: one.name.clone(), source };
                    s3.insert(Arc::new(opened.map_err(refused)?)).clone()
                }
            };
            let mut place = Place::new(one.name, upstream, one.internal_bucket);
            place.adopt = one.adopt;
            place.region = region_name(region);
            services.extend(s3.map(|upstream| Service { place: place.clone(), upstream }));
            places.push(place);
        }
        let assigned = buckets.iter().filter_map(|(name, own)| Some((name.clone(), own.upstream.clone()?)));
        let upstreams = Upstreams::new(places, assigned.collect());
        Ok(Self { upstreams, policies: BucketPolicies::new(buckets, foreign), local, services })
    }

    /// Claims every upstream for this deployment. One that does not answer is left for [`claim_later`]: the others do
    /// not wait for it.
    pub(super) async fn claim(&self, deployment_id: &[u8; 16]) -> Result<(), StartError> {
        for place in self.upstreams.iter() {
            match place.claim(deployment_id).await {
                Ok(()) => {}
                Err(error) if error.is_passing() => warn!(%error, "its buckets answer 503 until it does"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Claims what did not answer at the start, until it has, or the shutdown begins.
pub(super) async fn claim_later(upstreams: Upstreams, deployment_id: [u8; 16], mut shutdown: Shutdown) {
    let claiming = async {
        while upstreams.iter().any(|place| !place.is_open()) {
            sleep(CLAIM_INTERVAL).await;
            for place in upstreams.iter().filter(|place| !place.is_open()) {
                match place.claim(&deployment_id).await {
                    Ok(()) => info!(upstream = place.name, "it answers now"),
                    Err(error) if error.is_passing() => warn!(%error, "it is not in use yet"),
                    Err(error) => error!(%error, "it is not in use"),
                }
            }
        }
    };
    tokio::select! {
        () = claiming => {}
        () = shutdown.begun() => {}
    }
}

async fn known_buckets(store: &Store) -> Result<Vec<BucketRow>, StoreError> {
    let mut rows: Vec<BucketRow> = Vec::new();
    loop {
        let page = store.buckets(rows.last().map(|row| &row.name), BUCKETS_PER_QUERY).await?;
        let is_last = page.len() < BUCKETS_PER_QUERY as usize;
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}

/// A bucket stays where its objects are, whatever the configuration says of it.
fn check(
    configured: &[UpstreamConfig],
    buckets: &HashMap<BucketName, BucketSettings>,
    rows: &[BucketRow],
) -> Result<(), StartError> {
    for row in rows {
        let wanted = buckets.get(&row.name).and_then(|own| own.upstream.as_ref());
        if let Some(wanted) = wanted.filter(|wanted| **wanted != row.upstream) {
            let (bucket, at, wanted) = (row.name.clone(), row.upstream.clone(), wanted.clone());
            return Err(StartError::BucketElsewhere { bucket, at, wanted });
        }
        if let Some(one) = configured.iter().find(|one| one.internal_bucket == row.name) {
            let (bucket, upstream) = (row.name.clone(), one.name.clone());
            return Err(StartError::InternalBucketInUse { bucket, upstream });
        }
        if !configured.iter().any(|one| one.name == row.upstream) {
            warn!(bucket = %row.name, upstream = row.upstream, "this upstream is not configured: its bucket answers 503");
        }
    }
    Ok(())
}
