//! LIST of 1,000 keys: verified facts from a warm and from a cold index, against the bare listing of the local upstream.
//!
//! `cargo bench --bench list`. The three are measured in turns in one run, so that a noisy machine hurts all; the ratios
//! of the medians are its result.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "the ratios are its result")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use crypt_keeper::base::{BucketName, ChecksumAlgorithm, Clock, DomainId, KeyId, ObjectKey, PrincipalId};
use crypt_keeper::hashing::{DigestSet, Digests, Md5Lanes};
use crypt_keeper::keys::{
    BucketKeyRecord, BucketKeyRecords, BucketKeys, CacheLimits, Inserted, LocalKeyring, RecordsError,
};
use crypt_keeper::objects::{
    BodyRefused, BucketPolicies, Foundations, NewObject, Objects, PlainSource, PutObject, Upstreams, WriteGuard,
};
use crypt_keeper::store::index::Index;
use crypt_keeper::store::{BucketRow, Store};
use crypt_keeper::upstream::local::LocalUpstream;
use crypt_keeper::upstream::{ListRequest, Tags, Upstream};

const KEYS: usize = 1000;
const OBJECT_BYTES: usize = 1 << 10;
const ROUNDS: usize = 30;
/// A cold listing reads every object: fewer rounds do.
const COLD_ROUNDS: usize = 5;

/// Wrapped bucket keys in memory: the database has no part in a warm listing.
#[derive(Default)]
struct Records(Mutex<BTreeMap<[u8; 16], BucketKeyRecord>>);

#[async_trait]
impl BucketKeyRecords for Records {
    async fn current(&self, domain: DomainId) -> Result<Option<BucketKeyRecord>, RecordsError> {
        Ok(self.0.lock().expect("a lock").values().find(|record| record.domain_id == domain).cloned())
    }

    async fn get(&self, key_id: KeyId) -> Result<Option<BucketKeyRecord>, RecordsError> {
        Ok(self.0.lock().expect("a lock").get(key_id.as_bytes()).cloned())
    }

    async fn insert(&self, record: BucketKeyRecord) -> Result<Inserted, RecordsError> {
        self.0.lock().expect("a lock").insert(*record.key_id.as_bytes(), record);
        Ok(Inserted::Made)
    }
}

struct Body(Option<Bytes>);

#[async_trait]
impl PlainSource for Body {
    fn wants(&self) -> DigestSet {
        DigestSet::none()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused> {
        Ok(self.0.take())
    }

    fn verify(&mut self, _digests: &Digests) -> Result<(), BodyRefused> {
        Ok(())
    }
}

struct World {
    objects: Objects,
    upstream: Arc<dyn Upstream>,
    index: Index,
    bucket: BucketRow,
}

impl World {
    async fn new(dir: &Path) -> Self {
        let local = LocalUpstream::open(&dir.join("objects"), Clock::System).await.expect("an upstream");
        let upstream: Arc<dyn Upstream> = Arc::new(local);
        let now = Clock::System.now();
        let keyring = LocalKeyring::create_new(&dir.join("keyring"), now).expect("a keyring");
        let index = Index::open(&dir.join("index.db")).await.expect("an index");
        let url = format!("sqlite:{}", dir.join("state.db").display());
        let objects = Objects::new(Foundations {
            upstreams: Upstreams::one(upstream.clone(), BucketName::parse("internal").expect("a name")),
            policies: BucketPolicies::default(),
            keys: BucketKeys::new(
                Arc::new(keyring),
                Arc::new(Records::default()),
                Clock::System,
                CacheLimits::default(),
            ),
            store: Store::open(&url).await.expect("a store"),
            index: index.clone(),
            md5: Md5Lanes::start(1).expect("a thread"),
            clock: Clock::System,
        });
        let owner = PrincipalId::generate();
        let name = BucketName::parse("bench").expect("a name");
        let bucket = objects.create_bucket(&name, owner, "us-east-1").await.expect("a bucket");
        for number in 0..KEYS {
            let key = ObjectKey::parse(&format!("some/prefix/object-{number:06}")).expect("a key");
            let object = NewObject { content_headers: Vec::new(), user_metadata: Vec::new(), owner, tags: Tags::new() };
            let put = PutObject {
                bucket: &bucket,
                key: &key,
                plaintext_bytes: OBJECT_BYTES as u64,
                object,
                checksum: ChecksumAlgorithm::Crc64Nvme,
                guard: WriteGuard::None,
            };
            let body = Bytes::from(vec![0x5a; OBJECT_BYTES]);
            objects.put(put, &mut Body(Some(body))).await.expect("an object");
        }
        index.flush().await;
        Self { objects, upstream, index, bucket }
    }

    async fn bare(&self) -> Duration {
        let begun = Instant::now();
        let page = self.upstream.list_objects(&self.bucket.name, &all()).await.expect("lists");
        assert_eq!(page.objects.len(), KEYS);
        begun.elapsed()
    }

    async fn listed(&self) -> Duration {
        let begun = Instant::now();
        let listing = self.objects.list(&self.bucket, &all()).await.expect("lists");
        assert!(listing.entries.iter().all(|entry| entry.plaintext_bytes == OBJECT_BYTES as u64));
        begun.elapsed()
    }

    async fn lose_index(&self) {
        self.index.forget_bucket(self.bucket.bucket_id);
        self.index.flush().await;
    }
}

fn all() -> ListRequest {
    ListRequest { max_entries: KEYS as u32, ..ListRequest::default() }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::new(dir.path()).await;
    let (mut bare, mut warm, mut cold) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(world.bare().await);
        warm.push(world.listed().await);
    }
    for _ in 0..COLD_ROUNDS {
        world.lose_index().await;
        cold.push(world.listed().await);
        world.index.flush().await;
    }
    let (bare, warm, cold) = (median(bare), median(warm), median(cold));
    let times = |other: Duration| other.as_secs_f64() / bare.as_secs_f64();
    println!("LIST of {KEYS} keys, medians of one run:");
    println!("  bare upstream listing          {bare:>10.2?}  1.00");
    println!("  verified, warm index           {warm:>10.2?}  {:.2}", times(warm));
    println!("  verified, cold index           {cold:>10.2?}  {:.2}", times(cold));
}
