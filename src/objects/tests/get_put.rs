//! One object: written, read, listed, and refused.

use std::sync::Arc;

use super::{Body, World, new_object, pattern};
use crate::base::{ChecksumAlgorithm, ETag, KeyId};
use crate::hashing::{DigestSet, Hasher};
use crate::objects::{NewObject, ObjectError, PutObject, WriteGuard};
use crate::upstream::{ListRequest, ObjectRef, StoredRange, Upstream};

/// The same (size, ETag) in every answer, at every length where the format turns.
#[tokio::test]
async fn put_get_and_list_agree_at_every_boundary() {
    let world = World::new().await;
    for length in [0, 1, 16_383, 16_384, 16_385, 65_536, 300_000, 1_000_003] {
        let key = world.key(&format!("length {length}"));
        let plain = pattern(length);
        let written = world.put(&key, &plain).await.expect("a sound body is stored");
        let (facts, read) = world.get(&key).await.expect("what was stored is readable");
        assert!(read == plain, "{length} bytes came back changed");
        let listing = world.objects.list(&world.bucket, &world.list_of(&key)).await.expect("the bucket lists");
        let entry = &listing.entries[0];
        assert_eq!((facts.plaintext_bytes(), facts.etag()), (length as u64, written.etag));
        assert_eq!((entry.plaintext_bytes, entry.etag), (length as u64, written.etag));
        assert_eq!(entry.last_modified, facts.last_modified);
        assert_eq!(written.etag, ETag::Md5(md5(&plain)));
    }
}

/// Design section 4, "Reading": with a warm index GET is one upstream request, cold it is one for a small object.
#[tokio::test]
async fn warm_and_small_reads_are_one_upstream_request() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(500_000)).await.expect("stored");
    world.upstream.take_seen();
    world.get(&key).await.expect("readable");
    assert_eq!(world.upstream.take_seen(), ["get_object"], "warm");
    world.put(&key, &pattern(5_000)).await.expect("stored");
    world.lose_index().await;
    world.upstream.take_seen();
    world.get(&key).await.expect("readable");
    assert_eq!(world.upstream.take_seen(), ["get_object"], "cold and small");
    world.head(&key).await.expect("there");
    assert_eq!(world.upstream.take_seen(), ["head_object"], "HEAD, warm again");
}

/// Design section 6: LIST of a page is one upstream LIST; what the index lost is read once and known again.
#[tokio::test]
async fn a_cold_listing_refills_the_index() {
    let world = World::new().await;
    for number in 0..20 {
        world.put(&world.key(&format!("k{number:02}")), &pattern(number)).await.expect("stored");
    }
    let all = ListRequest { max_entries: 1000, ..ListRequest::default() };
    world.upstream.take_seen();
    let warm = world.objects.list(&world.bucket, &all).await.expect("lists");
    assert_eq!(world.upstream.take_seen(), ["list_objects"]);
    world.lose_index().await;
    let cold = world.objects.list(&world.bucket, &all).await.expect("lists");
    assert_eq!(world.upstream.take_seen().len(), 21, "one LIST, and each object once");
    assert_eq!(cold, warm);
    assert_eq!(world.objects.list(&world.bucket, &all).await.expect("lists"), warm);
    assert_eq!(world.upstream.take_seen(), ["list_objects"]);
}

/// Verify before commit: a body that its sender does not stand by leaves what was there.
#[tokio::test]
async fn a_refused_body_publishes_nothing() {
    let world = World::new().await;
    let key = world.key("k");
    let bad = |body: Body| async { world.put_body(&key, body, 100_000, WriteGuard::None).await };
    assert!(matches!(bad(Body::of(&pattern(100_000)).unproved()).await, Err(ObjectError::Body(_))));
    assert!(matches!(bad(Body::of(&pattern(99_999))).await, Err(ObjectError::Body(_))), "too short");
    assert!(matches!(bad(Body::of(&pattern(100_001))).await, Err(ObjectError::Body(_))), "too long");
    assert!(matches!(world.get(&key).await, Err(ObjectError::NoSuchKey)));
    let kept = pattern(7);
    world.put(&key, &kept).await.expect("stored");
    assert!(bad(Body::of(&pattern(100_000)).unproved()).await.is_err());
    assert!(world.get(&key).await.expect("still there").1 == kept);
}

/// A whole object that the store serves under another key is refused, and so is one cut or changed at its end.
#[tokio::test]
async fn objects_exchanged_in_the_store_are_refused() {
    let world = World::new().await;
    let (one, two) = (world.key("one"), world.key("two"));
    world.put(&one, &pattern(100)).await.expect("stored");
    world.put(&two, &pattern(100)).await.expect("stored");
    let stored = world.stored(&one).await;
    world.overwrite(&two, &stored).await;
    assert!(matches!(world.get(&two).await, Err(ObjectError::Integrity(_) | ObjectError::Keys(_))));
    world.overwrite(&one, &stored[..stored.len() - 1]).await;
    assert!(matches!(world.get(&one).await, Err(ObjectError::Foreign { .. } | ObjectError::Integrity(_))));
    world.overwrite(&one, b"not ours at all").await;
    assert!(matches!(world.get(&one).await, Err(ObjectError::Foreign { .. })));
}

/// An entry that cannot be verified is listed with its stored size and an opaque ETag.
#[tokio::test]
async fn a_damaged_object_is_listed() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(100)).await.expect("stored");
    world.overwrite(&key, &[7; 1000]).await;
    let listing = world.objects.list(&world.bucket, &world.list_of(&key)).await.expect("lists");
    assert_eq!(listing.entries[0].plaintext_bytes, 1000);
    assert!(matches!(listing.entries[0].etag, ETag::Opaque(_)));
}

/// One object whose stored bytes are gone does not make its neighbours unlistable.
#[tokio::test]
async fn an_unreadable_object_is_listed_beside_the_others() {
    let world = World::new().await;
    let (one, two) = (world.key("1"), world.key("2"));
    world.put(&one, &pattern(100)).await.expect("stored");
    world.put(&two, &pattern(100)).await.expect("stored");
    world.lose_index().await;
    world.upstream.break_gets_of(&one);
    let all = ListRequest { max_entries: 10, ..ListRequest::default() };
    let listing = world.objects.list(&world.bucket, &all).await.expect("lists");
    assert!(matches!(listing.entries[0].etag, ETag::Opaque(_)));
    assert_eq!(listing.entries[1].plaintext_bytes, 100);
}

/// A row that names a key which does not exist is a miss like any other: the object is what counts.
#[tokio::test]
async fn an_index_row_under_an_unknown_key_is_a_miss() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, b"content").await.expect("stored");
    let (mut row, footer) = world.objects.inner.index.lookup_object(world.bucket.bucket_id, &key).await.expect("known");
    row.key_id = KeyId::generate();
    world.objects.inner.index.record(row, footer);
    assert_eq!(world.get(&key).await.expect("readable").1, b"content");
}

/// A footer that takes two GETs, and an object that is replaced between them: the reader made no condition.
#[tokio::test]
async fn an_object_replaced_while_its_footer_is_read() {
    let world = Arc::new(World::new().await);
    let key = world.key("k");
    let mut object = super::new_object();
    object.user_metadata = (0..40).map(|n| (format!("m{n}").into_bytes(), vec![b'x'; 2000])).collect();
    let put = PutObject {
        bucket: &world.bucket,
        key: &key,
        plaintext_bytes: 3,
        object,
        checksum: ChecksumAlgorithm::Crc64Nvme,
        guard: WriteGuard::None,
    };
    world.objects.put(put, &mut Body::of(b"old")).await.expect("stored");
    world.lose_index().await;
    let pause = world.upstream.pause_after("get_object");
    let (reading, read_key) = (Arc::clone(&world), key.clone());
    let reader = tokio::spawn(async move { reading.get(&read_key).await.map(|(_, plain)| plain) });
    pause.reached.notified().await;
    world.put(&key, b"new").await.expect("stored");
    pause.go_on.notify_one();
    assert_eq!(reader.await.expect("runs").expect("readable"), b"new");
}

/// Conditions are on the client's ETag and atomic upstream.
#[tokio::test]
async fn conditional_writes() {
    let world = World::new().await;
    let key = world.key("k");
    let put = |guard: WriteGuard, length: usize| {
        let body = Body::of(&pattern(length));
        let (world, key) = (&world, &key);
        async move { world.put_body(key, body, length as u64, guard).await }
    };
    let first = put(WriteGuard::Absent, 1).await.expect("there was none");
    assert!(matches!(put(WriteGuard::Absent, 2).await, Err(ObjectError::PreconditionFailed)));
    let other = ETag::Md5(md5(b"other"));
    assert!(matches!(put(WriteGuard::Matches(vec![other]), 2).await, Err(ObjectError::PreconditionFailed)));
    let second = put(WriteGuard::Matches(vec![other, first.etag]), 2).await.expect("it matched");
    world.lose_index().await;
    put(WriteGuard::Matches(vec![second.etag]), 3).await.expect("it matched, cold");
    put(WriteGuard::Exists, 4).await.expect("there is one");
    let gone = world.key("gone");
    let body = Body::of(&pattern(1));
    let missing = world.put_body(&gone, body, 1, WriteGuard::Matches(vec![other])).await;
    assert!(matches!(missing, Err(ObjectError::NoSuchKey)));
}

/// A stale index row is found out by the pinned request; the answer is the new object's.
#[tokio::test]
async fn a_stale_index_row_is_a_miss() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(400_000)).await.expect("stored");
    let old = world.objects.inner.index.lookup_object(world.bucket.bucket_id, &key).await.expect("known");
    let newer = pattern(200_000);
    world.put(&key, &newer).await.expect("stored");
    world.objects.inner.index.record(old.0, old.1);
    let (facts, read) = world.get(&key).await.expect("readable");
    assert!(read == newer);
    assert_eq!(facts.plaintext_bytes(), 200_000);
}

/// What the store holds shows nothing of the plaintext.
#[tokio::test]
async fn the_store_sees_ciphertext_only() {
    let world = World::new().await;
    let key = world.key("k");
    let plain = b"marker-of-this-test".repeat(1000);
    world.put(&key, &plain).await.expect("stored");
    let stored = world.stored(&key).await;
    for secret in [b"marker-of-this-test".as_slice(), b"marker-in-metadata", b"text/marker", &md5(&plain).0] {
        assert!(!stored.windows(secret.len()).any(|window| window == secret));
    }
}

fn md5(plain: &[u8]) -> crate::base::Md5 {
    let mut hasher = Hasher::new(DigestSet::none().with_md5().with(ChecksumAlgorithm::Sha256));
    hasher.update(plain);
    hasher.finish().md5().expect("asked for")
}

#[tokio::test]
async fn deletes_are_seen_at_once() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(10)).await.expect("stored");
    world.objects.delete(&world.bucket, &key, None, WriteGuard::None).await.expect("deleted");
    assert!(matches!(world.get(&key).await, Err(ObjectError::NoSuchKey)));
    world.objects.delete(&world.bucket, &key, None, WriteGuard::None).await.expect("deleting nothing succeeds");
    let reply =
        world.upstream.get_object(&ObjectRef::current(&world.bucket.name, &key), StoredRange::Whole, None).await;
    assert!(reply.is_err());
}

/// A footer above 16 KiB is not in the index's file: after a restart it is asked for once, and nothing is written.
#[tokio::test]
async fn a_large_footer_is_asked_for_once_after_a_restart() {
    let world = World::new().await;
    let (key, body) = (world.key("k"), pattern(100_000));
    let object = NewObject { user_metadata: vec![(b"note".to_vec(), vec![b'x'; 20_000])], ..new_object() };
    let (bucket, checksum, guard) = (&world.bucket, ChecksumAlgorithm::Crc64Nvme, WriteGuard::None);
    let put = PutObject { bucket, key: &key, plaintext_bytes: 100_000, object, checksum, guard };
    world.objects.put(put, &mut Body::of(&body)).await.expect("stored");
    let world = world.restarted().await;
    let written = |world: &World| world.objects.inner.index.counters().recorded;
    world.upstream.take_seen();
    assert!(world.get(&key).await.expect("readable").1 == body);
    assert_eq!(world.upstream.take_seen(), ["get_object", "get_object"]);
    assert!(world.get(&key).await.expect("readable").1 == body);
    assert_eq!(world.upstream.take_seen(), ["get_object"]);
    assert_eq!(written(&world), 0);
    // What differs is written.
    let tags = vec![("a".to_owned(), "b".to_owned())];
    world.objects.set_tags(&world.bucket, &key, &tags).await.expect("tagged");
    let world = world.restarted().await;
    assert_eq!(world.get(&key).await.expect("readable").0.tag_count, 1);
    assert_eq!(written(&world), 1);
}
