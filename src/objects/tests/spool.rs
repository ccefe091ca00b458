//! Upstreams that lack something: bodies that break off are published, conditions and tags are not there, keys change.

use std::sync::Arc;
use std::time::Duration;

use super::{Body, World, new_object, pattern};
use crate::base::ChecksumAlgorithm;
use crate::objects::{ObjectError, PutObject, WriteGuard};
use crate::upstream::liar::{Liar, Lie};
use crate::upstream::{
    Capabilities, ConditionalWrites, KeyFate, KeyKind, ListRequest, ObjectRef, ShortBodies, SpecialKeys, Upstream,
    UpstreamError,
};

const MIB: usize = 1 << 20;

/// Over a double that lies, and of which so much is known.
async fn lying(lie: Lie, known: impl FnOnce(Capabilities) -> Capabilities) -> World {
    World::over(|local| {
        let claims = known(local.capabilities());
        Arc::new(Liar::new(local, lie).claiming(claims))
    })
    .await
}

/// Over one that publishes what breaks off, as a probe has found out.
async fn publishing(lie: Lie) -> World {
    lying(lie, |can| Capabilities { short_bodies: ShortBodies::Published, ..can }).await
}

/// Every way in which a body of so many bytes can be bad, and its declared length.
fn bad_bodies(len: usize) -> Vec<(&'static str, Body, u64)> {
    let plain = vec![0xbb; len];
    vec![
        ("a wrong signature", Body::of(&plain).unproved(), len as u64),
        ("a body that broke off", Body::of(&plain[..len / 2]), len as u64),
        ("a body that is too long", Body::of(&plain), len as u64 - 1),
    ]
}

async fn nothing_in_flight(world: &World) {
    for _ in 0..200 {
        if world.upstream.list_uploads(&world.bucket.name, None, 10).await.expect("lists").is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("an upload was left at the upstream");
}

/// The double bites: where nobody knew of it, a bad body destroys what was there.
#[tokio::test]
async fn unknown_publishing_upstream_would_lose_the_object() {
    let world = lying(Lie::PublishesShortBodies, |can| can).await;
    let key = world.key("k");
    world.put(&key, b"the old object").await.expect("stored");
    let (_, body, declared) = bad_bodies(300_000).remove(0);
    world.put_body(&key, body, declared, WriteGuard::None).await.expect_err("refused");
    world.lose_index().await;
    assert!(world.get(&key).await.is_err());
}

#[tokio::test]
async fn bad_body_leaves_the_object_as_it_was() {
    for lie in [Lie::PublishesShortBodies, Lie::AcceptsShortBodies] {
        let world = publishing(lie).await;
        let key = world.key("k");
        world.put(&key, b"the old object").await.expect("stored");
        for (what, body, declared) in bad_bodies(300_000) {
            let refused = world.put_body(&key, body, declared, WriteGuard::None).await;
            assert!(matches!(refused, Err(ObjectError::Body(_))), "{lie:?}, {what}: {refused:?}");
            world.lose_index().await;
            assert_eq!(world.get(&key).await.expect("readable").1, b"the old object", "{lie:?}, {what}");
            let (none, body, declared) = (world.key("none"), Body::of(b"xx").unproved(), 2);
            world.put_body(&none, body, declared, WriteGuard::None).await.expect_err("refused");
            assert!(matches!(world.get(&none).await, Err(ObjectError::NoSuchKey)), "{lie:?}, {what}");
        }
        nothing_in_flight(&world).await;
    }
}

#[tokio::test]
async fn verified_objects_of_every_size() {
    let world = publishing(Lie::PublishesShortBodies).await;
    for len in [0, 1, 16_384, 300_000, 6 * MIB] {
        let (key, plain) = (world.key("k"), pattern(len));
        world.upstream.take_seen();
        let written = world.put(&key, &plain).await.expect("stored");
        assert_eq!(world.upstream.take_seen(), ["create_multipart", "upload_part", "complete_multipart"], "{len}");
        world.lose_index().await;
        let (facts, read) = world.get(&key).await.expect("readable");
        assert!(read == plain && facts.etag() == written.etag, "{len}");
        assert_eq!(facts.parts_count(), None, "a detour of ours is no multipart object of the client's");
    }
    nothing_in_flight(&world).await;
}

#[tokio::test]
async fn conditions_hold_on_the_detour() {
    let world = publishing(Lie::PublishesShortBodies).await;
    let key = world.key("k");
    let put = async |plain: &[u8], guard| world.put_body(&key, Body::of(plain), plain.len() as u64, guard).await;
    let first = put(b"first", WriteGuard::Absent).await.expect("nothing was there");
    assert!(matches!(put(b"second", WriteGuard::Absent).await, Err(ObjectError::PreconditionFailed)));
    let second = put(b"second", WriteGuard::Matches(vec![first.etag])).await.expect("it matches");
    let past = put(b"third", WriteGuard::Matches(vec![first.etag])).await;
    assert!(matches!(past, Err(ObjectError::PreconditionFailed)), "{past:?}");
    assert_eq!(world.head(&key).await.expect("there").etag(), second.etag);
    nothing_in_flight(&world).await;

    // The condition stands on the Complete, so that is what the upstream must be able to do.
    let only_put = ConditionalWrites { put: true, complete: false, delete: true };
    let known = |can| Capabilities { short_bodies: ShortBodies::Published, conditional_writes: only_put, ..can };
    let world = lying(Lie::PublishesShortBodies, known).await;
    let refused = world.put_body(&key, Body::of(b"x"), 1, WriteGuard::Absent).await;
    assert!(matches!(refused, Err(ObjectError::Upstream(UpstreamError::Unsupported(_)))), "{refused:?}");
}

#[tokio::test]
async fn bad_part_leaves_the_part_as_it_was() {
    for part_copy in [true, false] {
        let known = |can| Capabilities { short_bodies: ShortBodies::Published, part_copy, ..can };
        let world = lying(Lie::PublishesShortBodies, known).await;
        let key = world.key("k");
        let id = world.begin(&key, None).await;
        let (one, two) = (pattern(5 * MIB + 7), pattern(5 * MIB));
        let first = world.part(&key, &id, 1, &one).await.expect("stored");
        let second = world.part(&key, &id, 2, &two).await.expect("stored");
        for (what, body, declared) in bad_bodies(6 * MIB) {
            let refused = world.part_body(&key, &id, 1, body, declared).await;
            assert!(matches!(refused, Err(ObjectError::Body(_))), "{what}");
        }
        // A good one replaces it all the same.
        let again = world.part(&key, &id, 2, &one).await.expect("stored");
        assert!(again.etag != second.etag);
        world.complete(&key, &id, &[(1, first.etag), (2, again.etag)]).await.expect("completes");
        assert!(world.get(&key).await.expect("readable").1 == [one.as_slice(), &one].concat());
        let left = world.held().await;
        // A body that was refused leaves what the upstream published of it, under a name that nobody asks for.
        assert!(left <= 3, "{left} temporary objects");
        let swept = world.objects.sweep_cut_off().await.expect("sweeps");
        assert_eq!((swept.held_parts, world.held().await), (left as u64, 0));
    }
}

/// A client that goes away in the middle leaves nothing at the upstream.
#[tokio::test]
async fn client_that_goes_away() {
    let world = publishing(Lie::PublishesShortBodies).await;
    let key = world.key("k");
    let pause = world.upstream.pause_after("upload_part");
    {
        let putting = world.put(&key, b"never finished");
        tokio::select! {
            _ = putting => panic!("it stands still before its Complete"),
            () = pause.reached.notified() => {}
        }
    }
    nothing_in_flight(&world).await;
    assert!(matches!(world.get(&key).await, Err(ObjectError::NoSuchKey)));
}

#[tokio::test]
async fn lack_is_told_apart_from_not_knowing() {
    for (known, is_known) in [(Capabilities::ALL, true), (Capabilities::PENDING, false)] {
        let nothing = Capabilities { proof: known.proof, ..Capabilities::PENDING };
        let world = lying(Lie::IgnoresConditions, |_| nothing).await;
        let key = world.key("plain/key");
        world.put_body(&key, Body::of(b"x"), 1, WriteGuard::None).await.expect("an ordinary write goes on");
        assert_eq!(world.get(&key).await.expect("readable").1, b"x");
        let tagged = async {
            let mut object = new_object();
            object.tags = vec![("a".into(), "b".into())];
            let (checksum, guard) = (ChecksumAlgorithm::Crc64Nvme, WriteGuard::None);
            let put = PutObject { bucket: &world.bucket, key: &key, plaintext_bytes: 1, object, checksum, guard };
            world.objects.put(put, &mut Body::of(b"y")).await.map(drop)
        };
        let tags = vec![("a".into(), "b".into())];
        let special = world.key("a//b");
        let refusals = [
            ("a conditional PUT", world.put_body(&key, Body::of(b"y"), 1, WriteGuard::Exists).await.map(drop)),
            (
                "a conditional DELETE",
                world.objects.delete(&world.bucket, &key, None, WriteGuard::Exists).await.map(drop),
            ),
            ("tags", world.objects.set_tags(&world.bucket, &key, &tags).await),
            ("tags of a PUT", tagged.await),
            ("a PUT of a key that may change", world.put(&special, b"y").await.map(drop)),
            ("a GET of it", world.get(&special).await.map(drop)),
            ("a DELETE of it", world.objects.delete(&world.bucket, &special, None, WriteGuard::None).await.map(drop)),
        ];
        for (what, refused) in refusals {
            match (&refused, is_known) {
                (Err(ObjectError::Upstream(UpstreamError::Unsupported(_))), true) => {}
                (Err(ObjectError::Upstream(UpstreamError::Unavailable(_))), false) => {}
                _ => panic!("{what}, known: {is_known}: {refused:?}"),
            }
        }
        assert_eq!(world.get(&key).await.expect("readable").1, b"x", "nothing has happened");
    }
}

#[tokio::test]
async fn objects_without_tags_are_copied_where_none_are_kept() {
    let world = lying(Lie::ForgetsTags, |can| Capabilities { tagging: false, ..can }).await;
    let key = world.key("k");
    world.put(&key, b"x").await.expect("stored");
    assert_eq!(world.objects.tags(&world.bucket, &key).await.expect("none"), []);
    world.objects.set_tags(&world.bucket, &key, &Vec::new()).await.expect("there are none to remove");
    let missing = world.objects.tags(&world.bucket, &world.key("missing")).await;
    assert!(matches!(missing, Err(ObjectError::NoSuchKey)), "{missing:?}");
}

/// `a//b` is `a/b` there: what is asked of the one must not happen to the other.
#[tokio::test]
async fn keys_that_would_become_one() {
    let special_keys = SpecialKeys::all(KeyFate::Kept).with(KeyKind::EmptySegment, KeyFate::Changed);
    let world = lying(Lie::SwallowsSlashes, |can| Capabilities { special_keys, ..can }).await;
    let (plain, special) = (world.key("a/b"), world.key("a//b"));
    world.put(&plain, b"precious").await.expect("stored");
    world.put(&special, b"other").await.expect_err("refused");
    let both = [(special.clone(), WriteGuard::None), (world.key("gone"), WriteGuard::None)];
    let deleted = world.objects.delete_many(&world.bucket, &both).await.expect("answers each");
    assert!(matches!(deleted[0], Err(ObjectError::Upstream(UpstreamError::Unsupported(_)))), "{deleted:?}");
    assert!(deleted[1].is_ok());
    world.lose_index().await;
    assert_eq!(world.get(&plain).await.expect("readable").1, b"precious");
    let object = ObjectRef::current(&world.bucket.name, &special);
    world.upstream.head_object(&object).await.expect("the double does take the one for the other");
}

/// A key that is never asked about, because another one could answer, does not make the others of its page unlistable.
#[tokio::test]
async fn keys_that_may_be_others_are_listed() {
    let special_keys = SpecialKeys::all(KeyFate::Kept).with(KeyKind::Reserved, KeyFate::Changed);
    let world = World::new().await;
    let (plain, special) = (world.key("a"), world.key("a b+c"));
    world.put(&plain, b"content").await.expect("stored");
    world.overwrite(&special, b"from before").await;
    world.upstream.limit_to(Capabilities { special_keys, ..world.upstream.capabilities() });
    let request = ListRequest { max_entries: 10, ..ListRequest::default() };
    let listed = world.objects.list(&world.bucket, &request).await.expect("lists").entries;
    let sizes: Vec<_> = listed.iter().map(|entry| (entry.key.as_str(), entry.plaintext_bytes)).collect();
    assert_eq!(sizes, [("a", 7), ("a b+c", 11)]);
}

/// Without suffix ranges the footer is found by two requests.
#[tokio::test]
async fn suffix_without_suffix_ranges() {
    let world = lying(Lie::SuffixAsWhole, |can| Capabilities { suffix_range: false, ..can }).await;
    for len in [0, 100, 64 << 10, 200_000] {
        let (key, plain) = (world.key("k"), pattern(len));
        world.put(&key, &plain).await.expect("stored");
        world.lose_index().await;
        assert!(world.get(&key).await.expect("readable").1 == plain, "{len}");
    }
}

/// An object that changed underneath is read anew, not taken for the one that is known, nor for a broken one.
#[tokio::test]
async fn if_match_that_is_ignored() {
    let world = lying(Lie::IgnoresIfMatch, |can| Capabilities { if_match_on_get: false, ..can }).await;
    for (old, new) in [(300_000, 300_001), (300_000, 10), (10, 300_000)] {
        let (key, other, new) = (world.key("k"), world.key("k"), pattern(new));
        world.put(&other, &new).await.expect("stored");
        let stored = world.stored(&other).await;
        world.put(&key, &pattern(old)).await.expect("stored");
        world.overwrite(&key, &stored).await;
        assert!(world.get(&key).await.expect("readable").1 == new);
    }
}
