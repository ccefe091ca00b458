//! Bucket keys and the DEKs beneath them: made on demand, unwrapped once, kept for a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::cache::{CacheLimits, SecretCache, TICK};
use super::error::KeysError;
use super::keyring::Keyring;
use super::records::{BucketKeyRecord, BucketKeyRecords, Inserted};
use super::state_key::same_keyring;
use crate::base::{BodyId, Clock, DomainId, Key32, KeyId, random};
use crate::envelope::context::bucket_key_context;
use crate::envelope::{
    BodyKeys, Dek, ObjectName, RecordKey, Scheme, WrappedDek, index_key, unwrap_dek, wrap_binding, wrap_dek,
};

/// A bucket key, unwrapped.
pub struct BucketKey {
    id: KeyId,
    domain: DomainId,
    epoch: u64,
    key: Key32,
    index: RecordKey,
}

impl BucketKey {
    fn new(id: KeyId, domain: DomainId, epoch: u64, key: Key32) -> Self {
        let index = RecordKey::new(&index_key(&key));
        Self { id, domain, epoch, key, index }
    }

    /// Its id, carried in trailers.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The domain it belongs to.
    pub const fn domain(&self) -> DomainId {
        self.domain
    }

    /// Which of the domain's bucket keys it is, from 1.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The key of sealed index rows, derived from this one.
    pub const fn index_key(&self) -> &RecordKey {
        &self.index
    }
}

/// A DEK, unwrapped, with everything that is derived from it.
pub struct UnwrappedDek {
    dek: Dek,
    keys: BodyKeys,
}

impl UnwrappedDek {
    fn new(dek: Dek, body_id: &BodyId) -> Self {
        let keys = BodyKeys::derive(&dek, body_id);
        Self { dek, keys }
    }

    /// What seals and opens the body.
    pub const fn keys(&self) -> &BodyKeys {
        &self.keys
    }

    /// The DEK itself.
    pub const fn dek(&self) -> &Dek {
        &self.dek
    }
}

/// How often what happened, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounters {
    /// Bucket keys by id that were cached.
    pub bucket_key_hits: u64,
    /// Bucket keys by id that were not.
    pub bucket_key_misses: u64,
    /// DEKs that were cached.
    pub dek_hits: u64,
    /// DEKs that were not.
    pub dek_misses: u64,
    /// Calls of the keyring.
    pub keyring_calls: u64,
}

/// The bucket keys of all domains. Clones share caches.
#[derive(Clone)]
pub struct BucketKeys {
    inner: Arc<Inner>,
}

struct Inner {
    keyring: Arc<dyn Keyring>,
    records: Arc<dyn BucketKeyRecords>,
    clock: Clock,
    current: SecretCache<DomainId, BucketKey>,
    /// Keyed by domain too: whoever asks with the wrong domain shares nothing with whoever asks with the right one.
    by_id: SecretCache<(DomainId, KeyId), BucketKey>,
    /// By SHA-256(B || wrap): B holds the name and the body, so no DEK is found under another name.
    deks: SecretCache<(DomainId, [u8; 32]), UnwrappedDek>,
    keyring_calls: AtomicU64,
}

impl BucketKeys {
    /// Bucket keys wrapped by `keyring`, recorded in `records`. Starts the task that drops expired keys: needs a runtime.
    pub fn new(
        keyring: Arc<dyn Keyring>,
        records: Arc<dyn BucketKeyRecords>,
        clock: Clock,
        limits: CacheLimits,
    ) -> Self {
        let inner = Arc::new(Inner {
            keyring,
            records,
            clock,
            current: SecretCache::new(limits.bucket_keys, limits.current_ttl.min(limits.bucket_key_ttl)),
            by_id: SecretCache::new(limits.bucket_keys, limits.bucket_key_ttl),
            deks: SecretCache::new(limits.deks, limits.dek_ttl),
            keyring_calls: AtomicU64::new(0),
        });
        tokio::spawn(tick(Arc::downgrade(&inner)));
        Self { inner }
    }

    /// The bucket key that wraps a domain's new DEKs; makes the first one.
    pub async fn current(&self, domain: DomainId) -> Result<Arc<BucketKey>, KeysError> {
        let inner = &self.inner;
        inner
            .current
            .get(domain, async {
                match inner.records.current(domain).await? {
                    Some(record) => inner.open_recorded(record).await,
                    None => inner.make(domain, 1).await,
                }
            })
            .await
    }

    /// Opens a new epoch: from now on its key wraps the domain's new DEKs. Other proxies follow when their memory of the
    /// current one expires; until then they wrap with the old one, which still opens.
    pub async fn new_epoch(&self, domain: DomainId) -> Result<Arc<BucketKey>, KeysError> {
        let latest = self.inner.records.current(domain).await?.map_or(0, |record| record.epoch);
        let key = self.inner.make(domain, latest.saturating_add(1)).await?;
        self.inner.current.insert(domain, key.clone()).await;
        Ok(key)
    }

    /// The bucket key that a trailer or an index row of this domain names. A key of another domain is refused before it
    /// is unwrapped.
    pub async fn by_id(&self, domain: DomainId, key_id: KeyId) -> Result<Arc<BucketKey>, KeysError> {
        let inner = &self.inner;
        inner
            .by_id
            .get((domain, key_id), async {
                let record = inner.records.get(key_id).await?.ok_or(KeysError::NoSuchKey(key_id))?;
                inner.unwrap(domain, key_id, record).await
            })
            .await
    }

    /// A fresh DEK for a body, wrapped for the object's name.
    pub async fn new_dek(
        &self,
        domain: DomainId,
        body_id: &BodyId,
        name: &ObjectName,
    ) -> Result<(Arc<UnwrappedDek>, WrappedDek), KeysError> {
        let bucket_key = self.current(domain).await?;
        let dek = Dek::new(Key32::generate());
        let wrapped = wrap_dek(&bucket_key.key, bucket_key.id, body_id, name, random::bytes(), &dek);
        Ok((Arc::new(UnwrappedDek::new(dek, body_id)), wrapped))
    }

    /// The same DEK wrapped for another name, by the domain's current bucket key: for a copy that shares the body.
    pub async fn wrap_for(
        &self,
        domain: DomainId,
        name: &ObjectName,
        dek: &UnwrappedDek,
    ) -> Result<WrappedDek, KeysError> {
        let bucket_key = self.current(domain).await?;
        Ok(wrap_dek(&bucket_key.key, bucket_key.id, dek.keys.body_id(), name, random::bytes(), &dek.dek))
    }

    /// The DEK that a trailer carries, unwrapped; refused for another name, body or domain.
    pub async fn open_dek(
        &self,
        domain: DomainId,
        body_id: &BodyId,
        name: &ObjectName,
        wrapped: &WrappedDek,
    ) -> Result<Arc<UnwrappedDek>, KeysError> {
        // Checked before anything is unwrapped: every domain here wraps by bucket keys.
        if wrapped.scheme() != Scheme::Bucket {
            return Err(KeysError::Integrity("a DEK whose scheme is not its domain's"));
        }
        let place = wrap_binding(wrapped.scheme(), body_id, &wrapped.key_id(), name).cache_key(wrapped);
        self.inner
            .deks
            .get((domain, place), async {
                let bucket_key = self.by_id(domain, wrapped.key_id()).await?;
                let dek = unwrap_dek(&bucket_key.key, wrapped, body_id, name);
                let dek = dek.map_err(|_| KeysError::Integrity("the wrapped DEK of an object"))?;
                Ok(Arc::new(UnwrappedDek::new(dek, body_id)))
            })
            .await
    }

    /// Forgets every unwrapped key: for shredding. Requests in flight end with the keys they hold.
    pub async fn purge(&self) {
        self.inner.current.purge().await;
        self.inner.by_id.purge().await;
        self.inner.deks.purge().await;
    }

    /// For /metrics.
    pub fn counters(&self) -> KeyCounters {
        let inner = &self.inner;
        KeyCounters {
            bucket_key_hits: inner.by_id.hits(),
            bucket_key_misses: inner.by_id.misses(),
            dek_hits: inner.deks.hits(),
            dek_misses: inner.deks.misses(),
            keyring_calls: inner.keyring_calls.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    /// Through the cache by id, so that asking for the current key again asks no keyring.
    async fn open_recorded(&self, record: BucketKeyRecord) -> Result<Arc<BucketKey>, KeysError> {
        let (domain, key_id) = (record.domain_id, record.key_id);
        self.by_id.get((domain, key_id), self.unwrap(domain, key_id, record)).await
    }

    async fn unwrap(
        &self,
        domain: DomainId,
        key_id: KeyId,
        record: BucketKeyRecord,
    ) -> Result<Arc<BucketKey>, KeysError> {
        if record.domain_id != domain {
            return Err(KeysError::WrongDomain(key_id));
        }
        same_keyring(&*self.keyring, &record.keyring)?;
        self.keyring_calls.fetch_add(1, Ordering::Relaxed);
        let context = bucket_key_context(&key_id, &domain, record.epoch);
        let key = self.keyring.unwrap(&context, &record.wrapped).await?;
        Ok(Arc::new(BucketKey::new(key_id, domain, record.epoch, key)))
    }

    /// Makes the key of an epoch. When another proxy made it first, theirs is the key and ours is forgotten unused.
    async fn make(&self, domain: DomainId, epoch: u64) -> Result<Arc<BucketKey>, KeysError> {
        let (key_id, key) = (KeyId::generate(), Key32::generate());
        self.keyring_calls.fetch_add(1, Ordering::Relaxed);
        let wrapped = self.keyring.wrap(&bucket_key_context(&key_id, &domain, epoch), &key).await?;
        let record = BucketKeyRecord {
            key_id,
            domain_id: domain,
            epoch,
            wrapped,
            keyring: self.keyring.identity(),
            created: self.clock.now(),
        };
        // Durable before its first use: a DEK wrapped by a key that a power cut took would be lost.
        match self.records.insert(record).await? {
            Inserted::Made => {
                let key = Arc::new(BucketKey::new(key_id, domain, epoch, key));
                self.by_id.insert((domain, key_id), key.clone()).await;
                Ok(key)
            }
            Inserted::EpochTaken => {
                const GONE: KeysError = KeysError::Integrity("the record of a bucket key, taken and then not there,");
                self.open_recorded(self.records.current(domain).await?.ok_or(GONE)?).await
            }
        }
    }
}

/// Ends with the last handle.
async fn tick(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.current.tick().await;
        inner.by_id.tick().await;
        inner.deks.tick().await;
    }
}

#[cfg(test)]
mod tests;
