//! Objects that somebody else replaces in the store, while they are read and between two listings.

use super::{World, pattern};
use crate::objects::ObjectError;
use crate::upstream::{ObjectRef, Upstream, UpstreamError, WriteCondition};

/// Reads an object that is replaced just after each of so many upstream GETs: its content, and how many GETs it took.
async fn read_while_it_changes(world: &World, replacements: usize) -> (Result<Vec<u8>, ObjectError>, usize) {
    let key = world.key("k");
    // By another proxy, whose writes this one's index does not see: the same content under another upstream ETag.
    let stored = world.stored(&key).await;
    world.upstream.take_seen();
    let replacing = async {
        for _ in 0..replacements {
            let pause = world.upstream.pause_after("get_object");
            pause.reached.notified().await;
            world.overwrite(&key, &stored).await;
            pause.go_on.notify_one();
        }
        std::future::pending::<()>().await
    };
    let outcome = tokio::select! {
        // The pause is there first: on a busy machine a read may be done when it is first looked at.
        biased;
        () = replacing => unreachable!("it waits for ever"),
        outcome = world.get(&key) => outcome.map(|(_, plain)| plain),
    };
    (outcome, world.upstream.take_seen().into_iter().filter(|seen| *seen == "get_object").count())
}

/// Longer than what the first GET brings along, so that the body takes a request of its own.
async fn large() -> (World, Vec<u8>) {
    let (world, plain) = (World::new().await, pattern(300_000));
    world.put(&world.key("k"), &plain).await.expect("stored");
    (world, plain)
}

#[tokio::test]
async fn object_that_changes_underneath_is_read_again_once() {
    let (world, plain) = large().await;
    world.lose_index().await;
    let (outcome, gets) = read_while_it_changes(&world, 1).await;
    assert_eq!(gets, 4, "footer, a body that is another one's, footer, body");
    assert!(outcome.expect("the one that is there now") == plain);
}

/// A stale row says that the object changed before the read, not underneath it: it is not counted.
#[tokio::test]
async fn stale_row_leaves_the_retry_for_a_change() {
    let (world, plain) = large().await;
    world.overwrite(&world.key("k"), &world.stored(&world.key("k")).await).await;
    let (outcome, gets) = read_while_it_changes(&world, 2).await;
    assert_eq!(gets, 5, "stale, footer, a body that is another one's, footer, body");
    assert!(outcome.expect("the one that is there now") == plain);
}

/// Whoever reads made no condition: it is told to come back, and not kept here.
#[tokio::test]
async fn object_that_changes_over_and_over_is_given_up() {
    let (world, _) = large().await;
    world.lose_index().await;
    let (outcome, gets) = read_while_it_changes(&world, usize::MAX).await;
    assert!(matches!(outcome, Err(ObjectError::Upstream(UpstreamError::Unavailable(_)))));
    assert_eq!(gets, 4);
}

/// A listing says what is in the store, whatever the index says, and sets it right.
#[tokio::test]
async fn listing_repairs_stale_rows() {
    let world = World::new().await;
    let (key, all) = (world.key("k"), world.list_of(&world.key("k")));
    let first = world.put(&key, b"the first").await.expect("stored");
    let stored = world.stored(&key).await;
    world.put(&key, b"another one").await.expect("stored");
    world.overwrite(&key, &stored).await;
    for requests in [vec!["list_objects", "get_object"], vec!["list_objects"]] {
        world.upstream.take_seen();
        let listed = world.objects.list(&world.bucket, &all).await.expect("lists");
        assert_eq!((listed.entries[0].plaintext_bytes, listed.entries[0].etag), (9, first.etag));
        assert_eq!(world.upstream.take_seen(), requests);
    }
    // And a read knows it now.
    assert_eq!(world.get(&key).await.expect("whole").1, b"the first");
    assert_eq!(world.upstream.take_seen(), ["get_object"]);
    let object = ObjectRef::current(&world.bucket.name, &key);
    world.upstream.delete_object(&object, WriteCondition::None).await.expect("gone");
    assert!(world.objects.list(&world.bucket, &all).await.expect("lists").entries.is_empty());
}

/// What an answer to PUT says of the date is a guess. It costs the first reader a second request, and nobody after it.
#[tokio::test]
async fn a_date_that_was_guessed_wrong_is_put_right() {
    for length in [5, 200_000] {
        let world = World::new().await;
        let (key, plain) = (world.key("k"), pattern(length));
        world.upstream.misdate_writes();
        world.put(&key, &plain).await.expect("stored");
        let (facts, first) = world.get(&key).await.expect("readable");
        world.upstream.take_seen();
        let (again, second) = world.get(&key).await.expect("readable");
        assert!(first == plain && second == plain && again.last_modified == facts.last_modified);
        assert_eq!(world.upstream.take_seen(), ["get_object"]);
    }
}
