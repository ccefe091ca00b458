//! Objects over real parts: the local upstream, SQLite, a keyring file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;

use crate::base::{BucketName, ChecksumAlgorithm, Clock, ObjectKey, PrincipalId};
use crate::envelope::ContentHeader;
use crate::hashing::{DigestSet, Digests, Md5Lanes};
use crate::keys::doubles::{MemoryKeyring, MemoryRecords};
use crate::keys::{BucketKeys, CacheLimits};
use crate::store::index::Index;
use crate::store::{BucketRow, Store};
use crate::upstream::local::LocalUpstream;
use crate::upstream::watched::Watched;
use crate::upstream::{
    BodyAborted, BodySource, ListRequest, ObjectRef, PutBody, StoredRange, Tags, Upstream, WriteCondition,
};

use super::{
    BodyRefused, BucketPolicies, Foundations, NewObject, ObjectError, ObjectFacts, Objects, PlainSource, PutObject,
    Upstreams, WriteGuard, Written,
};

mod adopt;
mod buckets;
mod changing;
mod complete;
mod copies;
mod foreign;
mod get_put;
mod multipart;
mod opaque;
mod places;
mod spool;

/// A bucket with everything below it.
struct World {
    objects: Objects,
    upstream: Arc<Watched>,
    bucket: BucketRow,
    /// The proxy's clock; the upstream has its own.
    clock: Clock,
    dir: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(BucketPolicies::default()).await
    }

    async fn with(policies: BucketPolicies) -> Self {
        Self::build(policies, |local| local).await
    }

    /// With something in front of the local upstream.
    async fn over(front: impl FnOnce(Arc<dyn Upstream>) -> Arc<dyn Upstream>) -> Self {
        Self::build(BucketPolicies::default(), front).await
    }

    async fn build(policies: BucketPolicies, front: impl FnOnce(Arc<dyn Upstream>) -> Arc<dyn Upstream>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(Clock::System.now());
        let local = LocalUpstream::open(&dir.path().join("objects"), Clock::System).await.expect("opens");
        let upstream = Arc::new(Watched::new(front(Arc::new(local))));
        upstream.create_bucket(&internal_bucket()).await.expect("made");
        let upstreams = Upstreams::one(upstream.clone(), internal_bucket());
        let objects = stand_on(dir.path(), &clock, upstreams, policies).await;
        let name = BucketName::parse("bucket").expect("a name");
        let bucket = objects.create_bucket(&name, owner(), "us-east-1").await.expect("a bucket");
        Self { objects, upstream, bucket, clock, dir }
    }

    fn key(&self, key: &str) -> ObjectKey {
        ObjectKey::parse(key).expect("a key")
    }

    fn list_of(&self, key: &ObjectKey) -> ListRequest {
        ListRequest { prefix: key.as_str().to_owned(), max_entries: 1000, ..ListRequest::default() }
    }

    async fn put(&self, key: &ObjectKey, plain: &[u8]) -> Result<Written, ObjectError> {
        self.put_body(key, Body::of(plain), plain.len() as u64, WriteGuard::None).await
    }

    async fn put_body(
        &self,
        key: &ObjectKey,
        mut body: Body,
        plaintext_bytes: u64,
        guard: WriteGuard,
    ) -> Result<Written, ObjectError> {
        let (bucket, checksum) = (&self.bucket, ChecksumAlgorithm::Crc64Nvme);
        let put = PutObject { bucket, key, plaintext_bytes, object: new_object(), checksum, guard };
        self.objects.put(put, &mut body).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectFacts, ObjectError> {
        Ok(self.objects.get(&self.bucket, key, None, |_| ((), None)).await?.facts)
    }

    async fn get(&self, key: &ObjectKey) -> Result<(ObjectFacts, Vec<u8>), ObjectError> {
        let whole = |facts: &ObjectFacts| ((), Some(0..facts.plaintext_bytes()));
        let mut opened = self.objects.get(&self.bucket, key, None, whole).await?;
        let mut reader = opened.body.take().expect("a body was asked for");
        let mut plain = Vec::new();
        while let Some(frame) = reader.next().await? {
            plain.extend_from_slice(&frame);
        }
        assert_eq!(reader.remaining(), 0);
        Ok((opened.facts, plain))
    }

    /// A proxy that comes back without its index.
    async fn lose_index(&self) {
        self.objects.inner.index.forget_bucket(self.bucket.bucket_id);
        self.objects.inner.index.flush().await;
    }

    /// The same proxy with its index opened again: what was only in its memory is gone.
    async fn restarted(self) -> Self {
        let policies = self.objects.inner.policies.clone();
        self.restarted_with(policies).await
    }

    async fn restarted_with(self, policies: BucketPolicies) -> Self {
        let on = &self.objects.inner;
        on.index.close().await;
        let objects = Objects::new(Foundations {
            upstreams: on.upstreams.clone(),
            policies,
            keys: on.keys.clone(),
            store: on.store.clone(),
            index: Index::open(&self.dir.path().join("index.db")).await.expect("opens"),
            md5: on.md5.clone(),
            clock: on.clock.clone(),
        });
        Self { objects, ..self }
    }

    /// What the store holds.
    async fn stored(&self, key: &ObjectKey) -> Vec<u8> {
        let object = ObjectRef::current(&self.bucket.name, key);
        let mut reply = self.upstream.get_object(&object, StoredRange::Whole, None).await.expect("stored");
        let mut stored = vec![0; usize::try_from(reply.len).expect("a small object")];
        let mut filled = 0;
        while filled < stored.len() {
            filled += reply.body.read(&mut stored[filled..]).await.expect("readable");
        }
        stored
    }

    /// What a store may do.
    async fn overwrite(&self, key: &ObjectKey, stored: &[u8]) {
        self.write_raw(&self.bucket.name, key, stored).await;
    }

    async fn write_raw(&self, bucket: &BucketName, key: &ObjectKey, stored: &[u8]) {
        let mut source = Raw(Bytes::copy_from_slice(stored));
        let body = PutBody { stored_bytes: stored.len() as u64, source: &mut source };
        let tags = Tags::new();
        self.upstream.put_object(bucket, key, body, WriteCondition::None, &tags).await.expect("overwritten");
    }
}

fn owner() -> PrincipalId {
    PrincipalId::from_bytes([5; 16])
}

fn internal_bucket() -> BucketName {
    BucketName::parse("crypt-keeper-internal").expect("a name")
}

fn new_object() -> NewObject {
    NewObject {
        content_headers: vec![(ContentHeader::ContentType, b"text/marker".to_vec())],
        user_metadata: vec![(b"note".to_vec(), b"marker-in-metadata".to_vec())],
        owner: owner(),
        tags: Tags::new(),
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

/// A client's body, in frames of odd sizes.
struct Body {
    left: Bytes,
    proved: bool,
}

impl Body {
    fn of(plain: &[u8]) -> Self {
        Self { left: Bytes::copy_from_slice(plain), proved: true }
    }

    /// Whose proof will not hold.
    fn unproved(self) -> Self {
        Self { proved: false, ..self }
    }
}

#[async_trait]
impl PlainSource for Body {
    fn wants(&self) -> DigestSet {
        DigestSet::none()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused> {
        let take = self.left.len().min(12_345);
        Ok((take > 0).then(|| self.left.split_to(take)))
    }

    fn verify(&mut self, _digests: &Digests) -> Result<(), BodyRefused> {
        self.proved.then_some(()).ok_or(BodyRefused)
    }
}

struct Raw(Bytes);

#[async_trait]
impl BodySource for Raw {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let take = self.0.len().min(into.len());
        into[..take].copy_from_slice(&self.0.split_to(take));
        Ok(take)
    }
}

/// A local upstream in a directory, with its internal bucket.
async fn watched(dir: &Path) -> Arc<Watched> {
    let local = LocalUpstream::open(dir, Clock::System).await.expect("opens");
    let upstream = Arc::new(Watched::new(Arc::new(local)));
    upstream.create_bucket(&internal_bucket()).await.expect("made");
    upstream
}

async fn stand_on(dir: &Path, clock: &Clock, upstreams: Upstreams, policies: BucketPolicies) -> Objects {
    let store = Store::open(&format!("sqlite:{}", dir.join("state.db").display())).await.expect("opens");
    let index = Index::open(&dir.join("index.db")).await.expect("opens");
    let keyring = Arc::new(MemoryKeyring::new("test"));
    let keys = BucketKeys::new(keyring, Arc::new(MemoryRecords::default()), Clock::System, CacheLimits::default());
    let md5 = Md5Lanes::start(1).expect("a thread");
    Objects::new(Foundations { upstreams, policies, keys, store, index, md5, clock: clock.clone() })
}
