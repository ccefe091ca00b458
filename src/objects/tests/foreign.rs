//! Objects that others put into the store, refused or handed through, and what a store can do with them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::copies::copy_between;
use super::{Body, World, pattern};
use crate::base::{ETag, ObjectKey};
use crate::objects::{BucketPolicies, ForeignObjects, ObjectError, ObjectFacts, Provenance, WriteGuard};
use crate::upstream::liar::{Liar, Lie};
use crate::upstream::{ObjectRef, Upstream, WriteCondition};

const PLAIN: &[u8] = b"somebody put this here before";

fn pass() -> BucketPolicies {
    let foreign = HashMap::from([("default".to_owned(), ForeignObjects::Pass)]);
    BucketPolicies::new(HashMap::new(), foreign)
}

async fn range(world: &World, key: &ObjectKey, range: Range<u64>) -> Vec<u8> {
    let select = |_: &ObjectFacts| ((), Some(range.clone()));
    let opened = world.objects.get(&world.bucket, key, None, select).await.expect("opens");
    let mut reader = opened.body.expect("a body");
    let mut plain = Vec::new();
    while let Some(frame) = reader.next().await.expect("readable") {
        plain.extend_from_slice(&frame);
    }
    plain
}

#[tokio::test]
async fn foreign_objects_are_refused_unless_told_otherwise() {
    let world = World::new().await;
    let key = world.key("theirs");
    world.overwrite(&key, PLAIN).await;
    assert!(matches!(world.get(&key).await, Err(ObjectError::Foreign { .. })));
    assert!(matches!(world.head(&key).await, Err(ObjectError::Foreign { .. })));
    let listed = world.objects.list(&world.bucket, &world.list_of(&key)).await.expect("lists");
    assert_eq!(listed.entries[0].plaintext_bytes, PLAIN.len() as u64);
    assert!(matches!(listed.entries[0].etag, ETag::Opaque(_)));
}

#[tokio::test]
async fn foreign_objects_pass_as_they_are() {
    let world = World::with(pass()).await;
    // Longer than a frame, than a suffix, and than a trailer; shorter than a trailer; and nothing at all.
    for length in [0, 1, 100, 70_000, 600_000] {
        let (key, plain) = (world.key(&format!("theirs/{length}")), pattern(length));
        world.overwrite(&key, &plain).await;
        let (facts, got) = world.get(&key).await.expect("passes");
        assert_eq!((facts.provenance, got == plain), (Provenance::Foreign, true), "{length}");
        let head = world.head(&key).await.expect("passes");
        assert_eq!((head.plaintext_bytes(), head.etag()), (length as u64, facts.etag()));
        assert!(head.checksum().is_none(), "nobody knows one");
        let listed = world.objects.list(&world.bucket, &world.list_of(&key)).await.expect("lists");
        let entry = listed.entries.iter().find(|entry| entry.key == key).expect("listed");
        assert_eq!((entry.plaintext_bytes, entry.etag), (length as u64, facts.etag()), "the same everywhere");
        if length > 20 {
            assert_eq!(range(&world, &key, 3..20).await, plain[3..20]);
        }
    }
}

/// A listing of a bucket that is being migrated does not read all of it over and over.
#[tokio::test]
async fn foreign_objects_are_looked_at_once() {
    for world in [World::new().await, World::with(pass()).await] {
        for number in 0..5 {
            world.overwrite(&world.key(&format!("k{number}")), PLAIN).await;
        }
        let all = world.list_of(&world.key("k"));
        let first = world.objects.list(&world.bucket, &all).await.expect("lists");
        world.upstream.take_seen();
        assert_eq!(world.objects.list(&world.bucket, &all).await.expect("lists"), first);
        assert_eq!(world.upstream.take_seen(), ["list_objects"]);
        let key = world.key("k0");
        world.put(&key, b"ours").await.expect("stored");
        let listed = world.objects.list(&world.bucket, &all).await.expect("lists");
        assert_eq!(listed.entries[0].plaintext_bytes, 4, "and is ours as soon as it was written here");
    }
}

/// The store says that our object is plaintext of its own. It is known here, and stays refused.
#[tokio::test]
async fn store_cannot_replace_a_known_object_by_plaintext() {
    let world = World::with(pass()).await;
    let key = world.key("ours");
    world.put(&key, b"the true content").await.expect("stored");
    world.overwrite(&key, PLAIN).await;
    for _ in 0..2 {
        assert!(matches!(world.get(&key).await, Err(ObjectError::Foreign { .. })));
        let listed = world.objects.list(&world.bucket, &world.list_of(&key)).await.expect("lists");
        assert!(matches!(listed.entries[0].etag, ETag::Opaque(_)), "listed as what cannot be verified");
    }
    // Hiding it for a while does not make anybody forget.
    let object = ObjectRef::current(&world.bucket.name, &key);
    world.upstream.delete_object(&object, WriteCondition::None).await.expect("hidden");
    assert!(matches!(world.get(&key).await, Err(ObjectError::NoSuchKey)));
    let guarded = world.objects.delete(&world.bucket, &key, None, WriteGuard::Exists).await;
    assert!(matches!(guarded, Err(ObjectError::NoSuchKey)));
    world.overwrite(&key, PLAIN).await;
    assert!(matches!(world.get(&key).await, Err(ObjectError::Foreign { .. })));
    // Whoever deletes it here says that it is no longer ours.
    world.objects.delete(&world.bucket, &key, None, WriteGuard::None).await.expect("deleted");
    world.overwrite(&key, PLAIN).await;
    assert_eq!(world.get(&key).await.expect("passes").1, PLAIN);
}

/// What has the magic is never foreign, whatever else is wrong with it, and whether or not it is known.
#[tokio::test]
async fn damaged_object_with_the_magic_is_never_handed_through() {
    let world = World::with(pass()).await;
    let key = world.key("ours");
    world.put(&key, &pattern(200_000)).await.expect("stored");
    let mut stored = world.stored(&key).await;
    let shorter = stored.split_off(16_400);
    for damaged in [shorter, world.stored(&key).await.iter().rev().copied().rev().skip(1).collect()] {
        world.overwrite(&key, &damaged).await;
        let refused = |outcome| matches!(outcome, Err(ObjectError::Integrity(_)));
        assert!(refused(world.get(&key).await));
        world.lose_index().await;
        assert!(refused(world.get(&key).await));
    }
}

#[tokio::test]
async fn foreign_objects_can_be_replaced_under_conditions() {
    let world = World::with(pass()).await;
    let key = world.key("theirs");
    world.overwrite(&key, PLAIN).await;
    let etag = world.head(&key).await.expect("passes").etag();
    let put = |guard| world.put_body(&key, Body::of(b"ours"), 4, guard);
    assert!(matches!(put(WriteGuard::Absent).await, Err(ObjectError::PreconditionFailed)));
    let other = WriteGuard::Matches(vec![ETag::Opaque([7; 16])]);
    assert!(matches!(put(other).await, Err(ObjectError::PreconditionFailed)));
    put(WriteGuard::Matches(vec![etag])).await.expect("its ETag is the one that was shown");
    let (facts, plain) = world.get(&key).await.expect("ours");
    assert_eq!((facts.provenance, plain.as_slice()), (Provenance::Sealed, &b"ours"[..]));
    assert!(matches!(put(WriteGuard::Matches(vec![etag])).await, Err(ObjectError::PreconditionFailed)));
}

/// The upstream's ETag proves nothing of a body: a copy of it gets its own.
#[tokio::test]
async fn copy_of_a_foreign_object_is_sealed_and_hashed() {
    let world = World::with(pass()).await;
    let (theirs, ours) = (world.key("theirs"), world.key("ours"));
    // So large that one of ours would be copied as it stands.
    let plain = pattern(6 << 20);
    world.overwrite(&theirs, &plain).await;
    copy_between(&world.objects, (&world.bucket, &theirs), (&world.bucket, &ours)).await.expect("copied");
    assert_ne!(world.stored(&ours).await[..1000], plain[..1000]);
    world.lose_index().await;
    let (facts, copied) = world.get(&ours).await.expect("ours");
    let put = world.put(&world.key("put"), &plain).await.expect("stored");
    assert_eq!((facts.provenance, facts.etag(), copied == plain), (Provenance::Sealed, put.etag, true));
    assert!(facts.checksum() == put.checksum && put.checksum.is_some());
}

/// A write under a condition that somebody else's write outran, where rows are kept in doubt: it is told once and
/// for all, and not sent into trying again.
#[tokio::test]
async fn outrun_conditional_write_is_told_what_is_there_now() {
    let world = World::with(pass()).await;
    let key = world.key("ours");
    let etag = world.put(&key, b"first").await.expect("stored").etag;
    // Another proxy, whose index we do not share: here the same stored bytes under another upstream ETag.
    let stored = world.stored(&key).await;
    world.overwrite(&key, &stored).await;
    let guard = || WriteGuard::Matches(vec![etag]);
    let put = world.put_body(&key, Body::of(b"third"), 5, guard()).await;
    assert!(matches!(put, Err(ObjectError::Conflict)), "the same content: it may try again");
    world.put_body(&key, Body::of(b"third"), 5, guard()).await.expect("and now it is known");
    world.overwrite(&key, PLAIN).await;
    let put = world.put_body(&key, Body::of(b"fourth"), 6, WriteGuard::Exists).await;
    assert!(
        matches!(put, Err(ObjectError::Foreign { .. })),
        "what was ours and is not any more is not replaced unseen"
    );
}

/// A foreign object that becomes another, or one of ours, while it is opened: never the bytes of the one under the
/// facts of the other, never ciphertext.
async fn replaced_while_it_is_opened(world: World) {
    let key = world.key("theirs");
    for ours in [true, false] {
        world.overwrite(&key, &pattern(100_000)).await;
        let pause = world.upstream.pause_after("get_object");
        let (result, ()) = tokio::join!(world.get(&key), async {
            pause.reached.notified().await;
            match ours {
                true => drop(world.put(&key, &[b'o'; 100_000]).await.expect("stored")),
                false => world.overwrite(&key, &[b't'; 100_000]).await,
            }
            pause.go_on.notify_one();
        });
        let (facts, plain) = result.expect("one of the two");
        let expected = if ours { (Provenance::Sealed, b'o') } else { (Provenance::Foreign, b't') };
        assert_eq!(facts.provenance, expected.0);
        assert!(plain.len() == 100_000 && plain.iter().all(|byte| *byte == expected.1));
        world.objects.delete(&world.bucket, &key, None, WriteGuard::None).await.expect("deleted");
    }
}

#[tokio::test]
async fn foreign_object_replaced_while_it_is_opened() {
    replaced_while_it_is_opened(World::with(pass()).await).await;
}

#[tokio::test]
async fn foreign_object_replaced_while_it_is_opened_where_if_match_is_ignored() {
    let ignores = |local| -> Arc<dyn Upstream> { Arc::new(Liar::new(local, Lie::IgnoresIfMatch)) };
    replaced_while_it_is_opened(World::build(pass(), ignores).await).await;
}

/// The same of an object of ours that another one of ours replaces, with the index warm.
#[tokio::test]
async fn stale_row_where_if_match_is_ignored_costs_one_retry() {
    let ignores = |local| -> Arc<dyn Upstream> { Arc::new(Liar::new(local, Lie::IgnoresIfMatch)) };
    let world = World::build(BucketPolicies::default(), ignores).await;
    let (key, other) = (world.key("k"), world.key("other"));
    world.put(&key, &pattern(300_000)).await.expect("stored");
    let old = world.stored(&key).await;
    world.put(&key, b"newer").await.expect("stored");
    world.put(&other, b"other").await.expect("stored");
    // The store goes back to the older object, which is whole and ours.
    world.overwrite(&key, &old).await;
    world.upstream.take_seen();
    assert_eq!(world.get(&key).await.expect("whole").1, pattern(300_000));
    assert_eq!(world.upstream.take_seen(), ["get_object", "get_object", "get_object"], "stale, then footer, then body");
    assert_eq!(world.get(&key).await.expect("whole").1, pattern(300_000));
    assert_eq!(world.upstream.take_seen(), ["get_object"], "and the index has learnt it");
}
