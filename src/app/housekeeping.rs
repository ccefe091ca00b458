//! What caches and counters need now and then, also while nobody sends a request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::access_keys::StoredAccessKeys;
use crate::authn::Authenticator;
use crate::base::metrics::{CacheName, CacheResult};
use crate::base::{Metrics, Shutdown};
use crate::keys::{BucketKeys, Keyring};
use crate::store::index::Index;

/// Expired keys leave the memory of an idle process within this.
const INTERVAL: Duration = Duration::from_secs(5);

/// Whom it serves.
pub(super) struct Housekeeping {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) access_keys: Arc<StoredAccessKeys>,
    pub(super) keys: BucketKeys,
    pub(super) keyring: Arc<dyn Keyring>,
    pub(super) index: Index,
    pub(super) metrics: Arc<Metrics>,
}

impl Housekeeping {
    /// Runs until the shutdown begins.
    pub(super) async fn run(self, mut shutdown: Shutdown) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut counted = Counted::default();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.begun() => return,
            }
            // Caches drop what has expired when they are used; these are not.
            self.authenticator.expire_idle().await;
            self.access_keys.expire_idle().await;
            self.count(&mut counted);
        }
    }

    /// Keys and index count for themselves, because they must not know who asks; what came since is passed on.
    fn count(&self, counted: &mut Counted) {
        let (index, keys) = (self.index.counters(), self.keys.counters());
        let now = [
            (CacheName::Index, CacheResult::Hit, index.hits),
            (CacheName::Index, CacheResult::Miss, index.misses),
            (CacheName::BucketKeys, CacheResult::Hit, keys.bucket_key_hits),
            (CacheName::BucketKeys, CacheResult::Miss, keys.bucket_key_misses),
            (CacheName::Deks, CacheResult::Hit, keys.dek_hits),
            (CacheName::Deks, CacheResult::Miss, keys.dek_misses),
        ];
        for ((cache, result, total), counted) in now.into_iter().zip(&mut counted.lookups) {
            self.metrics.cache_lookups(cache, result, since(counted, total));
        }
        self.metrics.keyring_calls(since(&mut counted.calls, keys.keyring_calls));
        for (kind, total) in self.keyring.faults() {
            self.metrics.keyring_faults(kind, since(counted.faults.entry(kind).or_default(), total));
        }
    }
}

/// What was passed on already.
#[derive(Default)]
struct Counted {
    lookups: [u64; 6],
    calls: u64,
    faults: BTreeMap<&'static str, u64>,
}

fn since(counted: &mut u64, total: u64) -> u64 {
    total.saturating_sub(std::mem::replace(counted, total))
}
