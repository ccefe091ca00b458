//! Buckets whose ETags are opaque: no MD5 is made, and every answer shows the same ETag all the same.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::copies::copy_between;
use super::{Body, World, new_object, owner, pattern};
use crate::base::{BucketName, ChecksumAlgorithm, ETag, ObjectKey};
use crate::hashing::{DigestSet, Digests};
use crate::objects::policy::{BucketPolicies, BucketSettings, EtagPolicy};
use crate::objects::{BodyRefused, ObjectError, PlainSource, PutObject, WriteGuard};

fn opaque_policies() -> BucketPolicies {
    let bucket = BucketName::parse("bucket").expect("a name");
    let settings = BucketSettings { etag: Some(EtagPolicy::Opaque), ..BucketSettings::default() };
    BucketPolicies::new(HashMap::from([(bucket, settings)]), HashMap::new())
}

async fn opaque_world() -> World {
    World::with(opaque_policies()).await
}

/// What LIST shows.
async fn listed(world: &World, key: &ObjectKey) -> ETag {
    world.objects.list(&world.bucket, &world.list_of(key)).await.expect("lists").entries[0].etag
}

fn looks_opaque(etag: ETag) -> bool {
    let shown = etag.to_string();
    shown.len() == 34 && shown.ends_with("-1") && matches!(etag, ETag::Opaque(_))
}

#[tokio::test]
async fn the_same_opaque_etag_everywhere() {
    let world = opaque_world().await;
    for (name, length) in [("empty", 0), ("small", 5), ("large", 200_000)] {
        let (key, plain) = (world.key(name), pattern(length));
        let written = world.put(&key, &plain).await.expect("stored");
        assert!(looks_opaque(written.etag));
        assert_eq!(world.head(&key).await.expect("there").etag(), written.etag);
        let (facts, read) = world.get(&key).await.expect("readable");
        assert!(read == plain);
        assert_eq!((facts.etag(), facts.parts_count()), (written.etag, None));
        assert_eq!(listed(&world, &key).await, written.etag);
        world.lose_index().await;
        assert_eq!(listed(&world, &key).await, written.etag, "also when it is read from the object");
        let again = world.put(&key, &plain).await.expect("stored");
        assert_ne!(again.etag, written.etag, "random, not a digest");
    }
}

#[tokio::test]
async fn conditions_hold_against_opaque_etags() {
    let world = opaque_world().await;
    let key = world.key("k");
    let old = world.put(&key, b"old").await.expect("stored").etag;
    let matching = |etag| WriteGuard::Matches(vec![etag]);
    let new = world.put_body(&key, Body::of(b"new"), 3, matching(old)).await.expect("it matched").etag;
    let stale = world.put_body(&key, Body::of(b"late"), 4, matching(old)).await;
    assert!(matches!(stale, Err(ObjectError::PreconditionFailed)));
    assert_eq!(world.head(&key).await.expect("there").etag(), new);
}

#[tokio::test]
async fn parts_and_what_is_made_of_them() {
    let world = opaque_world().await;
    let key = world.key("big");
    let id = world.begin(&key, None).await;
    let (one, tail) = (pattern(5 << 20), pattern(1000));
    let lost = world.part(&key, &id, 1, &one).await.expect("stored").etag;
    let first = world.part(&key, &id, 1, &one).await.expect("stored again").etag;
    let second = world.part(&key, &id, 2, &tail).await.expect("stored").etag;
    assert!(looks_opaque(first) && looks_opaque(second) && lost != first);
    let parts = world.objects.list_parts(&world.bucket, &key, &id, 0, 1000).await.expect("lists").parts;
    assert_eq!(parts.iter().map(|part| part.etag).collect::<Vec<_>>(), [first, second]);

    let replaced = world.complete(&key, &id, &[(1, lost), (2, second)]).await;
    assert!(matches!(replaced, Err(ObjectError::InvalidPart { number }) if number.get() == 1));
    let swapped = world.complete(&key, &id, &[(1, second), (2, first)]).await;
    assert!(matches!(swapped, Err(ObjectError::InvalidPart { .. })));
    let written = world.complete(&key, &id, &[(1, first), (2, second)]).await.expect("completes");
    assert!(looks_opaque(written.etag));
    let again = world.complete(&key, &id, &[(1, first), (2, second)]).await.expect("idempotent");
    assert_eq!(again.etag, written.etag);

    let (facts, read) = world.get(&key).await.expect("readable");
    assert!(read == [one, tail].concat());
    assert_eq!((facts.etag(), facts.parts_count()), (written.etag, Some(2)));
    assert_eq!(listed(&world, &key).await, written.etag);
}

#[tokio::test]
async fn a_copy_keeps_its_sources_etag() {
    let world = opaque_world().await;
    let name = BucketName::parse("ordinary").expect("a name");
    let ordinary = world.objects.create_bucket(&name, owner(), "us-east-1").await.expect("made");
    let (source, target) = (world.key("source"), world.key("target"));
    let etag = world.put(&source, b"plain").await.expect("stored").etag;
    for bucket in [&world.bucket, &ordinary] {
        let copied = copy_between(&world.objects, (&world.bucket, &source), (bucket, &target)).await;
        assert_eq!(copied.expect("copied").etag, etag);
    }
}

/// A body whose sender gave its MD5, or none; it notes whether one was made.
struct Sent {
    body: Body,
    wants: DigestSet,
    had_md5: bool,
}

#[async_trait]
impl PlainSource for Sent {
    fn wants(&self) -> DigestSet {
        self.wants
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused> {
        self.body.next().await
    }

    fn verify(&mut self, digests: &Digests) -> Result<(), BodyRefused> {
        self.had_md5 = digests.md5().is_some();
        self.body.verify(digests)
    }
}

#[tokio::test]
async fn md5_is_made_only_for_content_md5() {
    let world = opaque_world().await;
    let (key, plain) = (world.key("k"), pattern(100_000));
    for wants in [DigestSet::none(), DigestSet::none().with_md5()] {
        let mut sent = Sent { body: Body::of(&plain), wants, had_md5: false };
        let put = PutObject {
            bucket: &world.bucket,
            key: &key,
            plaintext_bytes: plain.len() as u64,
            object: new_object(),
            checksum: ChecksumAlgorithm::Crc64Nvme,
            guard: WriteGuard::None,
        };
        let written = world.objects.put(put, &mut sent).await.expect("stored");
        assert_eq!(sent.had_md5, wants.has_md5());
        assert!(looks_opaque(written.etag));
    }
}

/// The configuration changed while an upload was under way: its parts are not lost.
#[tokio::test]
async fn an_upload_under_both_policies_completes() {
    let md5 = World::new().await;
    let key = md5.key("k");
    let id = md5.begin(&key, None).await;
    let plain = pattern(5 << 20);
    let one = md5.part(&key, &id, 1, &plain).await.expect("stored").etag;
    let opaque = md5.restarted_with(opaque_policies()).await;
    let two = opaque.part(&key, &id, 2, b"tail").await.expect("stored").etag;
    let written = opaque.complete(&key, &id, &[(1, one), (2, two)]).await.expect("completes");
    assert!(looks_opaque(written.etag));
    assert!(opaque.get(&key).await.expect("readable").1 == [&plain[..], b"tail"].concat());
}
