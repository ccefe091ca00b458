//! Complete: other lists, at once, again, after a kill; and parts that were cut off at the wrong moment.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{World, pattern};
use crate::base::limits::MAX_OBJECT_BYTES;
use crate::base::{ChecksumAlgorithm, ChecksumType, ETag, Md5, ObjectKey};
use crate::objects::{ObjectError, PartChecksum, UploadListRequest, WriteGuard, Written, WrittenPart};
use crate::store::{PartRow, UploadId};
use crate::upstream::{Capabilities, Upstream};

const MIB: usize = 1 << 20;

fn complete_later(
    world: &Arc<World>,
    key: &ObjectKey,
    id: &str,
    parts: &[(u32, ETag)],
) -> JoinHandle<Result<Written, ObjectError>> {
    let (world, key, id, parts) = (Arc::clone(world), key.clone(), id.to_owned(), parts.to_vec());
    tokio::spawn(async move { world.complete(&key, &id, &parts).await })
}

fn part_later(
    world: &Arc<World>,
    key: &ObjectKey,
    id: &str,
    number: u32,
    plain: &[u8],
) -> JoinHandle<Result<WrittenPart, ObjectError>> {
    let (world, key, id, plain) = (Arc::clone(world), key.clone(), id.to_owned(), plain.to_vec());
    tokio::spawn(async move { world.part(&key, &id, number, &plain).await })
}

impl World {
    async fn listed_parts(&self, key: &ObjectKey, id: &str) -> Vec<(u16, ETag)> {
        let list = self.objects.list_parts(&self.bucket, key, id, 0, 1000).await.expect("lists");
        list.parts.iter().map(|part| (part.number.get(), part.etag)).collect()
    }
}

/// A Complete of fewer parts than were uploaded that fails at its very end has spoilt none of the others.
#[tokio::test]
async fn fewer_parts_then_a_failure_then_all() {
    let world = Arc::new(World::new().await);
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain: Vec<Vec<u8>> = (0..3).map(|at| pattern(5 * MIB + at)).collect();
    let mut parts = Vec::new();
    for (number, plain) in (1..).zip(&plain) {
        parts.push((number, world.part(&key, &id, number, plain).await.expect("stored").etag));
    }
    let pause = world.upstream.pause_after("upload_part");
    let failing = {
        let (world, key, id, parts) = (Arc::clone(&world), key.clone(), id.clone(), parts[..1].to_vec());
        tokio::spawn(async move { world.complete_if(&key, &id, &parts, WriteGuard::Absent).await })
    };
    pause.reached.notified().await;
    world.put(&key, b"in the way").await.expect("stored");
    pause.go_on.notify_one();
    assert!(matches!(failing.await.expect("runs"), Err(ObjectError::PreconditionFailed)));
    assert_eq!(world.get(&key).await.expect("readable").1, b"in the way");

    let written = world.complete(&key, &id, &parts).await.expect("completes");
    assert!(matches!(written.etag, ETag::Multipart(_, 3)));
    assert!(world.get(&key).await.expect("readable").1 == plain.concat());
    assert_eq!(world.complete(&key, &id, &parts).await.expect("again").etag, written.etag);
}

/// One list wins whole; to the other the upload is over. Never a mixture, and never another list's success.
#[tokio::test]
async fn two_lists_at_once() {
    let world = Arc::new(World::new().await);
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB);
    let one = (1, world.part(&key, &id, 1, &plain).await.expect("stored").etag);
    let two = (2, world.part(&key, &id, 2, b"tail").await.expect("stored").etag);
    let first_pause = world.upstream.pause_after("upload_part");
    let first = complete_later(&world, &key, &id, &[one]);
    first_pause.reached.notified().await;
    let second_pause = world.upstream.pause_after("upload_part");
    let second = complete_later(&world, &key, &id, &[one, two]);
    second_pause.reached.notified().await;
    first_pause.go_on.notify_one();
    // Its footer was overwritten by the second's: it writes another one, and wins.
    let won = first.await.expect("runs").expect("completes");
    second_pause.go_on.notify_one();
    assert!(matches!(second.await.expect("runs"), Err(ObjectError::NoSuchUpload)));
    assert!(matches!(won.etag, ETag::Multipart(_, 1)));
    assert!(world.get(&key).await.expect("readable").1 == plain);
    assert!(matches!(world.complete(&key, &id, &[one, two]).await, Err(ObjectError::NoSuchUpload)));
    assert_eq!(world.complete(&key, &id, &[one]).await.expect("again").etag, won.etag);
}

/// Killed after the upstream had committed and before anybody here knew: asked again after the restart, it is done.
#[tokio::test]
async fn killed_after_the_upstream_committed() {
    for overwritten in [false, true] {
        let world = Arc::new(World::new().await);
        let key = world.key("k");
        let id = world.begin(&key, None).await;
        let parts = [(1, world.part(&key, &id, 1, b"content").await.expect("stored").etag)];
        let pause = world.upstream.pause_after("complete_multipart");
        let killed = complete_later(&world, &key, &id, &parts);
        pause.reached.notified().await;
        killed.abort();
        assert!(killed.await.is_err());
        world.lose_index().await;
        world.objects.reopen_uploads().await.expect("a start");
        if overwritten {
            world.put(&key, b"newer").await.expect("stored");
            let again = world.complete(&key, &id, &parts).await;
            assert!(matches!(again, Err(ObjectError::NoSuchUpload)));
            assert_eq!(world.get(&key).await.expect("readable").1, b"newer", "nothing is brought back");
        } else {
            let written = world.complete(&key, &id, &parts).await.expect("it had been done");
            assert_eq!(world.head(&key).await.expect("there").etag(), written.etag);
            assert_eq!(world.get(&key).await.expect("readable").1, b"content");
            assert_eq!(world.complete(&key, &id, &parts).await.expect("again").etag, written.etag);
        }
    }
}

/// A Complete that broke off, by a panic or in any way that opened nothing again, holds up no part.
#[tokio::test]
async fn an_upload_goes_on_after_a_complete_that_vanished() {
    let world = Arc::new(World::new().await);
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let one = (1, world.part(&key, &id, 1, &pattern(5 * MIB)).await.expect("stored").etag);
    let pause = world.upstream.pause_after("upload_part");
    let vanishing = complete_later(&world, &key, &id, &[one]);
    pause.reached.notified().await;
    let meanwhile = world.part(&key, &id, 2, b"too early").await;
    assert!(matches!(meanwhile, Err(ObjectError::Conflict)), "no part begins under a Complete");
    vanishing.abort();
    assert!(vanishing.await.is_err());
    let two = (2, world.part(&key, &id, 2, b"tail").await.expect("goes on").etag);
    world.complete(&key, &id, &[one, two]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == [pattern(5 * MIB), b"tail".to_vec()].concat());
}

/// A part whose answer never came replaced an earlier one with the same bytes: the earlier ETag is still the part's.
#[tokio::test]
async fn a_part_sent_again_and_cut_off() {
    let plain = pattern(5 * MIB);
    for cut in ["answer", "request"] {
        let world = Arc::new(World::new().await);
        let key = world.key("k");
        let id = world.begin(&key, None).await;
        let earlier = world.part(&key, &id, 1, &plain).await.expect("stored").etag;
        if cut == "answer" {
            world.upstream.lose_answer_of("upload_part");
            assert!(world.part(&key, &id, 1, &plain).await.is_err());
        } else {
            let pause = world.upstream.pause_after("upload_part");
            let again = part_later(&world, &key, &id, 1, &plain);
            pause.reached.notified().await;
            again.abort();
            assert!(again.await.is_err());
        }
        assert_eq!(world.listed_parts(&key, &id).await, [(1, earlier)]);
        world.complete(&key, &id, &[(1, earlier)]).await.expect("completes");
        assert!(world.get(&key).await.expect("readable").1 == plain, "{cut}");
    }
}

/// As at S3: with other bytes the earlier ETag is no longer that of the part.
#[tokio::test]
async fn a_part_replaced_by_one_that_was_cut_off() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let (old, new) = (vec![1; 5 * MIB], vec![2; 5 * MIB]);
    let earlier = world.part(&key, &id, 1, &old).await.expect("stored").etag;
    world.upstream.lose_answer_of("upload_part");
    assert!(world.part(&key, &id, 1, &new).await.is_err());
    assert!(matches!(world.complete(&key, &id, &[(1, earlier)]).await, Err(ObjectError::InvalidPart { .. })));
    let [(1, replacing)] = world.listed_parts(&key, &id).await[..] else { panic!("one part") };
    assert_ne!(replacing, earlier);
    world.complete(&key, &id, &[(1, replacing)]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == new);
}

/// Its last bytes went up and the upstream did not store it: the earlier one is the part, and alone it is none.
#[tokio::test]
async fn a_part_that_never_arrived() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB);
    world.upstream.swallow_next_part();
    assert!(world.part(&key, &id, 1, &plain).await.is_err());
    assert_eq!(world.listed_parts(&key, &id).await, []);
    let etag = world.part(&key, &id, 2, &plain).await.expect("stored").etag;
    assert!(matches!(world.complete(&key, &id, &[(1, etag)]).await, Err(ObjectError::InvalidPart { .. })));
    world.upstream.swallow_next_part();
    assert!(world.part(&key, &id, 2, &plain).await.is_err());
    let page = world.objects.list_parts(&world.bucket, &key, &id, 0, 1).await.expect("lists");
    assert_eq!((page.parts.len(), page.truncated), (1, false), "what never arrived takes no place on a page");
    world.complete(&key, &id, &[(2, etag)]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == plain);
}

/// A body whose proof does not hold is noted down nowhere: the earlier attempt stays the part.
#[tokio::test]
async fn a_refused_part_leaves_no_row() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB);
    let part = crate::objects::UploadPart {
        bucket: &world.bucket,
        key: &key,
        upload_id: &id,
        number: crate::base::PartNumber::new(1).expect("a number"),
        plaintext_bytes: plain.len() as u64,
        checksum: PartChecksum::Unsent,
    };
    assert!(world.objects.upload_part(part, &mut super::Body::of(&plain).unproved()).await.is_err());
    assert!(world.part_rows(&id).await.is_empty());
}

impl World {
    async fn part_rows(&self, id: &str) -> Vec<PartRow> {
        let id = UploadId::parse(id).expect("an id");
        self.objects.inner.store.parts(&id, 0, 10_000).await.expect("reads")
    }
}

#[tokio::test]
async fn an_object_above_the_largest_is_refused() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let etag = world.part(&key, &id, 1, b"content").await.expect("stored").etag;
    let row = world.part_rows(&id).await.remove(0);
    let (store, upload) = (&world.objects.inner.store, UploadId::parse(&id).expect("an id"));
    store.forget_parts(&upload).await.expect("deleted");
    let huge = PartRow { plaintext_bytes: MAX_OBJECT_BYTES + 1, ..row };
    store.insert_part(&upload, huge).await.expect("inserted");
    let refused = world.complete(&key, &id, &[(1, etag)]).await;
    assert!(matches!(refused, Err(ObjectError::TooLarge { plaintext_bytes }) if plaintext_bytes > MAX_OBJECT_BYTES));
    assert!(matches!(world.get(&key).await, Err(ObjectError::NoSuchKey)));
}

/// It goes up once more with the footer behind it, in one part.
#[tokio::test]
async fn part_ten_thousand_leaves_room_for_the_footer() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    world.upstream.limit_to(Capabilities { max_put_bytes: 14 << 20, ..Capabilities::ALL });
    let plain = pattern(7 * MIB);
    let first = world.part(&key, &id, 9_999, &plain).await.expect("stored").etag;
    let refused = world.part(&key, &id, 10_000, &plain).await;
    assert!(matches!(refused, Err(ObjectError::TooLarge { .. })));
    let last = world.part(&key, &id, 10_000, &plain[..5 * MIB]).await.expect("stored").etag;
    world.complete(&key, &id, &[(9_999, first), (10_000, last)]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == [&plain[..], &plain[..5 * MIB]].concat());
}

/// With 10,000 begun but not listed, the footer takes its number.
#[tokio::test]
async fn part_ten_thousand_begun_and_not_listed() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB);
    let first = world.part(&key, &id, 1, &plain).await.expect("stored").etag;
    let last = world.part(&key, &id, 10_000, b"tail").await.expect("stored").etag;
    let wrong = ETag::Md5(Md5([7; 16]));
    assert!(matches!(world.complete(&key, &id, &[(1, wrong)]).await, Err(ObjectError::InvalidPart { .. })));
    world.complete(&key, &id, &[(1, first)]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == plain);
    let over = world.complete(&key, &id, &[(1, first), (10_000, last)]).await;
    assert!(matches!(over, Err(ObjectError::NoSuchUpload)));
    assert!(world.upstream.list_uploads(&world.bucket.name, None, 10).await.expect("lists").is_empty());
}

#[tokio::test]
async fn uploads_are_listed_with_their_checksums() {
    let world = World::new().await;
    let declared = Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite));
    world.begin(&world.key("a"), declared).await;
    world.begin(&world.key("b"), None).await;
    let all = UploadListRequest { max_entries: 10, ..UploadListRequest::default() };
    let listed = world.objects.list_uploads(&world.bucket, &all).await.expect("lists");
    let checksums: Vec<_> = listed.uploads.iter().map(|upload| upload.checksum).collect();
    assert_eq!(checksums, [declared, None]);
}
