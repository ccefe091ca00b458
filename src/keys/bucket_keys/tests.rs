//! Bucket keys over a keyring and records that count, wait and fail on demand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{BucketKeys, CacheLimits};
use crate::base::{BodyId, BucketId, Clock, DomainId, KeyId, Timestamp};
use crate::envelope::{ObjectName, Scheme, WrappedDek};
use crate::keys::KeysError;
use crate::keys::doubles::{MemoryKeyring, MemoryRecords};

const DOMAIN: DomainId = DomainId::from_bytes([1; 16]);
const OTHER: DomainId = DomainId::from_bytes([2; 16]);
const BODY: BodyId = BodyId::from_bytes([3; 16]);

struct Site {
    keyring: Arc<MemoryKeyring>,
    records: Arc<MemoryRecords>,
}

impl Site {
    fn new() -> Self {
        Self { keyring: Arc::new(MemoryKeyring::new("k")), records: Arc::default() }
    }

    /// A proxy with cold caches.
    fn proxy(&self) -> BucketKeys {
        self.proxy_with(CacheLimits::default())
    }

    fn proxy_with(&self, limits: CacheLimits) -> BucketKeys {
        let clock = Clock::manual(Timestamp::from_unix_seconds(1));
        BucketKeys::new(self.keyring.clone(), self.records.clone(), clock, limits)
    }

    fn calls(&self) -> (u64, u64) {
        (self.keyring.wraps.load(Ordering::SeqCst), self.keyring.unwraps.load(Ordering::SeqCst))
    }
}

fn name(key: &str) -> ObjectName {
    ObjectName::new(&BucketId::from_bytes([4; 16]), key.as_bytes())
}

/// The error of what must fail (keys have no Debug, so `expect_err` does not apply).
fn fault<T>(result: Result<T, KeysError>) -> KeysError {
    result.err().expect("is refused")
}

#[tokio::test]
async fn the_first_epoch_is_made_on_demand_and_found_again() {
    let site = Site::new();
    let proxy = site.proxy();
    let key = proxy.current(DOMAIN).await.expect("is made");
    assert_eq!((key.epoch(), key.domain()), (1, DOMAIN));
    assert_eq!(proxy.current(DOMAIN).await.expect("is cached").id(), key.id());
    assert_eq!(proxy.by_id(DOMAIN, key.id()).await.expect("is cached").id(), key.id());
    assert_eq!(site.calls(), (1, 0));
    let restarted = site.proxy();
    let again = restarted.current(DOMAIN).await.expect("is found");
    assert!(again.id() == key.id() && again.key.same_as(&key.key));
    let row = key.index_key().seal(b"row", [0; 24], b"facts");
    assert!(again.index_key().open(b"row", &row).is_ok());
    assert_eq!(site.calls(), (1, 1));
    assert_ne!(proxy.current(OTHER).await.expect("is made").id(), key.id());
}

/// Two proxies with one database make the first epoch at once: both use the winner's.
#[tokio::test(flavor = "multi_thread")]
async fn two_makers_of_the_first_epoch_agree() {
    let site = Site::new();
    let (one, two) = (site.proxy(), site.proxy());
    let (first, second) = tokio::join!(one.current(DOMAIN), two.current(DOMAIN));
    let (first, second) = (first.expect("is made"), second.expect("is made"));
    assert_eq!(site.calls().0, 2, "both were makers");
    assert!(first.id() == second.id() && first.key.same_as(&second.key));
    assert_eq!(site.records.rows.lock().expect("no panic").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cold_readers_cost_one_unwrap() {
    let site = Site::new();
    let id = site.proxy().current(DOMAIN).await.expect("is made").id();
    let proxy = site.proxy();
    let readers: Vec<_> = (0..1000)
        .map(|_| {
            let proxy = proxy.clone();
            tokio::spawn(async move { proxy.by_id(DOMAIN, id).await.map(|key| key.id()) })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.expect("no panic").expect("opens"), id);
    }
    assert_eq!(site.calls(), (1, 1));
    assert_eq!(proxy.counters().keyring_calls, 1);
    let counters = proxy.counters();
    assert_eq!(counters.bucket_key_hits + counters.bucket_key_misses, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cold_writers_make_one_key() {
    let site = Site::new();
    let proxy = site.proxy();
    let writers: Vec<_> = (0..1000)
        .map(|_| {
            let proxy = proxy.clone();
            tokio::spawn(async move { proxy.new_dek(DOMAIN, &BODY, &name("k")).await.map(|(_, wrap)| wrap.key_id()) })
        })
        .collect();
    let mut ids = Vec::new();
    for writer in writers {
        ids.push(writer.await.expect("no panic").expect("is made"));
    }
    ids.dedup();
    assert_eq!((ids.len(), site.calls()), (1, (1, 0)));
}

#[tokio::test]
async fn a_key_of_another_domain_is_refused_before_it_is_unwrapped() {
    let site = Site::new();
    let id = site.proxy().current(DOMAIN).await.expect("is made").id();
    let proxy = site.proxy();
    assert!(matches!(fault(proxy.by_id(OTHER, id).await), KeysError::WrongDomain(found) if found == id));
    assert_eq!(site.calls().1, 0);
    // Also when it is cached for its own domain.
    proxy.by_id(DOMAIN, id).await.expect("opens");
    assert!(matches!(fault(proxy.by_id(OTHER, id).await), KeysError::WrongDomain(_)));
    let unknown = KeyId::generate();
    assert!(matches!(fault(proxy.by_id(DOMAIN, unknown).await), KeysError::NoSuchKey(found) if found == unknown));
}

/// Rows of the database exchanged by somebody who can write it: the context binds id, domain and epoch.
#[tokio::test]
async fn exchanged_records_do_not_open() {
    let site = Site::new();
    let (one, two) =
        (site.proxy().current(DOMAIN).await.expect("is made"), site.proxy().current(OTHER).await.expect("is made"));
    {
        let mut rows = site.records.rows.lock().expect("no panic");
        let wraps: Vec<_> = rows.values().map(|record| record.wrapped.clone()).rev().collect();
        rows.values_mut().zip(wraps).for_each(|(record, wrap)| record.wrapped = wrap);
    }
    for (domain, id) in [(DOMAIN, one.id()), (OTHER, two.id())] {
        assert!(matches!(fault(site.proxy().by_id(domain, id).await), KeysError::Refused { .. }));
    }
}

#[tokio::test]
async fn another_keyring_is_named() {
    let site = Site::new();
    site.proxy().current(DOMAIN).await.expect("is made");
    let strange = Site { keyring: Arc::new(MemoryKeyring::new("another")), records: site.records.clone() };
    let error = fault(strange.proxy().current(DOMAIN).await);
    assert!(matches!(&error, KeysError::OtherKeyring { expected, found } if expected == "k" && found == "another"));
    assert_eq!(strange.calls(), (0, 0));
}

/// An outage: cached keys serve until they expire, then the error says that trying again may help.
#[tokio::test]
async fn an_outage_is_survived_until_keys_expire() {
    let site = Site::new();
    let short = Duration::from_millis(300);
    let limits = CacheLimits { bucket_key_ttl: short, current_ttl: short, dek_ttl: short, ..CacheLimits::default() };
    let proxy = site.proxy_with(limits);
    let (_, wrapped) = proxy.new_dek(DOMAIN, &BODY, &name("k")).await.expect("is made");
    site.keyring.down.store(true, Ordering::SeqCst);
    proxy.new_dek(DOMAIN, &BODY, &name("k")).await.expect("the bucket key is cached");
    proxy.open_dek(DOMAIN, &BODY, &name("k"), &wrapped).await.expect("the bucket key is cached");
    tokio::time::sleep(short * 2).await;
    for error in [
        fault(proxy.new_dek(DOMAIN, &BODY, &name("k")).await),
        fault(proxy.open_dek(DOMAIN, &BODY, &name("k"), &wrapped).await),
    ] {
        assert!(matches!(error, KeysError::Unavailable { retry_after, .. } if retry_after == Duration::from_secs(3)));
    }
    // The failure itself is not remembered.
    site.keyring.down.store(false, Ordering::SeqCst);
    proxy.open_dek(DOMAIN, &BODY, &name("k"), &wrapped).await.expect("opens again");
}

#[tokio::test]
async fn records_that_cannot_be_asked_are_unavailable() {
    let site = Site::new();
    site.records.down.store(true, Ordering::SeqCst);
    assert!(matches!(fault(site.proxy().current(DOMAIN).await), KeysError::Unavailable { .. }));
    assert!(matches!(fault(site.proxy().by_id(DOMAIN, KeyId::generate()).await), KeysError::Unavailable { .. }));
}

#[tokio::test]
async fn an_expired_key_is_asked_for_again() {
    let site = Site::new();
    let short = Duration::from_millis(100);
    let proxy = site.proxy_with(CacheLimits { bucket_key_ttl: short, ..CacheLimits::default() });
    let id = proxy.current(DOMAIN).await.expect("is made").id();
    proxy.by_id(DOMAIN, id).await.expect("is cached");
    assert_eq!(site.calls().1, 0);
    tokio::time::sleep(short * 3).await;
    proxy.by_id(DOMAIN, id).await.expect("opens");
    assert_eq!(site.calls().1, 1);
}

/// An idle proxy lets go of expired keys: when the cache's `Arc` is dropped the key is zeroized.
#[tokio::test]
async fn expired_keys_are_dropped_by_the_ticker_and_purged_on_demand() {
    let site = Site::new();
    let short = Duration::from_millis(100);
    let proxy = site.proxy_with(CacheLimits { bucket_key_ttl: short, ..CacheLimits::default() });
    let held = Arc::downgrade(&proxy.current(DOMAIN).await.expect("is made"));
    assert!(held.upgrade().is_some());
    tokio::time::sleep(super::TICK + short * 5).await;
    assert!(held.upgrade().is_none(), "the caches still hold it");

    let proxy = site.proxy();
    let held = Arc::downgrade(&proxy.current(DOMAIN).await.expect("opens"));
    assert!(held.upgrade().is_some());
    proxy.purge().await;
    assert!(held.upgrade().is_none(), "the caches still hold it");
}

#[tokio::test]
async fn a_new_epoch_wraps_and_the_old_one_still_opens() {
    let site = Site::new();
    let proxy = site.proxy();
    let (_, old) = proxy.new_dek(DOMAIN, &BODY, &name("k")).await.expect("is made");
    let epoch = proxy.new_epoch(DOMAIN).await.expect("is made");
    assert_eq!(epoch.epoch(), 2);
    let (_, new) = proxy.new_dek(DOMAIN, &BODY, &name("k")).await.expect("is made");
    assert_eq!(new.key_id(), epoch.id());
    assert_ne!(old.key_id(), new.key_id());
    let restarted = site.proxy();
    for wrapped in [old, new] {
        restarted.open_dek(DOMAIN, &BODY, &name("k"), &wrapped).await.expect("opens");
    }
}

#[tokio::test]
async fn a_dek_opens_for_its_own_object_only() {
    let site = Site::new();
    let proxy = site.proxy();
    let (dek, wrapped) = proxy.new_dek(DOMAIN, &BODY, &name("k")).await.expect("is made");
    // Once before the cache is warm, once after.
    for _ in 0..2 {
        let refused = [
            proxy.open_dek(DOMAIN, &BODY, &name("other"), &wrapped).await,
            proxy.open_dek(DOMAIN, &BodyId::from_bytes([9; 16]), &name("k"), &wrapped).await,
        ];
        for result in refused {
            assert!(matches!(fault(result), KeysError::Integrity(_)));
        }
        let elsewhere = proxy.open_dek(OTHER, &BODY, &name("k"), &wrapped).await;
        assert!(matches!(fault(elsewhere), KeysError::WrongDomain(_)));
        let opened = proxy.open_dek(DOMAIN, &BODY, &name("k"), &wrapped).await.expect("opens");
        assert!(opened.dek().key().same_as(dek.dek().key()));
        assert!(opened.keys().upload().same_as(dek.keys().upload()));
    }
    assert_eq!(proxy.counters().dek_hits, 1, "only the very same wrap, name and body is found");
    let direct = WrappedDek::new(Scheme::Direct, wrapped.key_id(), 1, wrapped.bytes().to_vec()).expect("is a wrap");
    assert!(matches!(fault(proxy.open_dek(DOMAIN, &BODY, &name("k"), &direct).await), KeysError::Integrity(_)));
}

#[tokio::test]
async fn a_copy_shares_the_dek_under_its_own_name() {
    let site = Site::new();
    let proxy = site.proxy();
    let (dek, wrapped) = proxy.new_dek(DOMAIN, &BODY, &name("source")).await.expect("is made");
    let copied = proxy.wrap_for(DOMAIN, &name("copy"), &dek).await.expect("wraps");
    assert_ne!(wrapped.bytes(), copied.bytes());
    let opened = site.proxy().open_dek(DOMAIN, &BODY, &name("copy"), &copied).await.expect("opens");
    assert!(opened.dek().key().same_as(dek.dek().key()));
    assert!(proxy.open_dek(DOMAIN, &BODY, &name("source"), &copied).await.is_err());
}

#[tokio::test]
async fn errors_and_wraps_show_no_bytes() {
    let site = Site::new();
    site.proxy().current(DOMAIN).await.expect("is made");
    let record = site.records.rows.lock().expect("no panic").values().next().cloned().expect("is there");
    let shown = format!("{record:?}");
    assert!(shown.contains("104 bytes") && !shown.contains(", 104,"), "{shown}");
}
