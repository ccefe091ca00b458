//! A bounded cache of secrets: single-flight, with a lifetime by the monotonic clock, counted.
//!
//! Values are `Arc`s of types that zeroize on drop. Errors are not kept: the next caller tries again.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use super::error::KeysError;

/// How many unwrapped keys are kept, and for how long. The lifetime bounds how long a key that was revoked in the keyring
/// still works here, and how long a proxy works on when the keyring is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bucket keys: a few per bucket in use; a hundred bytes each.
    pub bucket_keys: u64,
    /// How long a bucket key is kept. Asking again costs one call of the keyring per key in use.
    pub bucket_key_ttl: Duration,
    /// How long it is remembered which bucket key of a domain is the current one. Asking again costs a row, no keyring.
    pub current_ttl: Duration,
    /// DEKs: one per object or upload in use; some 500 bytes each.
    pub deks: u64,
    /// How long a DEK is kept; never longer than it is of use to a reader of one object.
    pub dek_ttl: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            bucket_keys: 10_000,
            bucket_key_ttl: Duration::from_secs(3600),
            current_ttl: Duration::from_secs(60),
            deks: 50_000,
            dek_ttl: Duration::from_secs(900),
        }
    }
}

/// How often the caches drop what has expired: without it an idle proxy would keep expired keys, because moka works only
/// when it is used.
pub(super) const TICK: Duration = Duration::from_secs(5);

pub(super) struct SecretCache<K, V> {
    cache: Cache<K, Arc<V>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<K, V> SecretCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(capacity: u64, ttl: Duration) -> Self {
        let cache = Cache::builder().max_capacity(capacity).time_to_live(ttl).build();
        Self { cache, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The cached value, or what `make` makes: of many concurrent callers of one key, one makes it for all.
    pub(super) async fn get(
        &self,
        key: K,
        make: impl Future<Output = Result<Arc<V>, KeysError>>,
    ) -> Result<Arc<V>, KeysError> {
        if let Some(found) = self.cache.get(&key).await {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.cache.try_get_with(key, make).await.map_err(|error: Arc<KeysError>| KeysError::clone(&error))
    }

    pub(super) async fn insert(&self, key: K, value: Arc<V>) {
        self.cache.insert(key, value).await;
    }

    /// Nothing that is cached now is handed out again.
    pub(super) async fn purge(&self) {
        self.cache.invalidate_all();
        self.cache.run_pending_tasks().await;
    }

    /// Drops what has expired.
    pub(super) async fn tick(&self) {
        self.cache.run_pending_tasks().await;
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(super) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}
