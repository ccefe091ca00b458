//! The uploads that copies are made in: nothing is left of them, however a copy ends.

use std::sync::Arc;
use std::time::Duration;

use super::super::{World, pattern};
use super::{MIB, kept, release, running, to};
use crate::base::Timestamp;
use crate::objects::{ObjectError, Swept};
use crate::store::CopyUploadRow;
use crate::upstream::{Tags, UploadRef, Upstream};

#[tokio::test]
async fn answers_that_are_lost_leave_no_upload() {
    for operation in ["upload_part_copy", "upload_part", "complete_multipart"] {
        let world = World::new().await;
        let (key, target) = (world.key("k"), world.key("copy"));
        let plain = pattern(6 * MIB);
        world.put(&key, &plain).await.expect("stored");
        world.upstream.lose_answer_of(operation);
        assert!(world.copy(&key, &target, kept()).await.is_err());
        assert_eq!(world.uploads_at_upstream().await, 0, "{operation}");
        world.copy(&key, &target, kept()).await.expect("asked again");
        assert!(world.get(&target).await.expect("readable").1 == plain);
    }
}

/// Its client goes away: the upload goes, too.
#[tokio::test]
async fn a_copy_that_is_cut_off_leaves_nothing() {
    for operation in ["create_multipart", "upload_part"] {
        let world = Arc::new(World::new().await);
        let (key, target) = (world.key("k"), world.key("copy"));
        world.put(&key, &pattern(6 * MIB)).await.expect("stored");
        let pause = world.upstream.pause_after(operation);
        let copying = running(&world, to(&world.bucket, &target), &key, kept());
        pause.reached.notified().await;
        assert_eq!(world.uploads_at_upstream().await, 1);
        copying.abort();
        assert!(copying.await.is_err());
        // The upstream's answer to Create may be on its way still.
        release(&pause).await;
        for _ in 0..200 {
            if world.uploads_at_upstream().await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(world.uploads_at_upstream().await, 0, "{operation}");
        assert!(matches!(world.get(&target).await, Err(ObjectError::NoSuchKey)));
    }
}

/// Killed in the middle, with no list of uploads to find it in (MinIO has none; in an adopted bucket it may be anybody's):
/// its row tells.
#[tokio::test]
async fn a_copy_that_died_with_its_process_is_swept_by_its_row() {
    let world = World::new().await;
    let (bucket_id, clock) = (world.bucket.bucket_id, world.clock.clone());
    for failing in [false, true] {
        let begun = world.upstream.create_multipart(&world.bucket.name, &world.key("copy"), &Tags::new()).await;
        let UploadRef { key, id, .. } = begun.expect("begun");
        let row = CopyUploadRow { bucket_id, key, upstream_upload_id: id.0.to_string(), begun: clock.now() };
        world.objects.inner.store.insert_copy_upload(row).await.expect("inserts");
        assert_eq!(world.objects.sweep().await.expect("sweeps").copies, 0, "too young to say");
        if failing {
            world.upstream.lose_answer_of("abort_multipart");
            assert!(world.objects.sweep_cut_off().await.is_err());
        }
        assert_eq!(world.objects.sweep_cut_off().await.expect("sweeps").copies, 1);
        assert_eq!(world.objects.sweep_cut_off().await.expect("sweeps").copies, 0);
        assert_eq!(world.uploads_at_upstream().await, 0);
    }
}

/// The row is there from before the first part until the copy is over, well or badly.
#[tokio::test]
async fn the_upload_of_a_copy_has_a_row_while_it_is_in_flight() {
    let world = Arc::new(World::new().await);
    let (key, target) = (world.key("k"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let whenever = Timestamp::from_unix_millis(i64::MAX);
    let rows = async || {
        let rows = world.objects.inner.store.copy_uploads_begun_before(whenever, None, 10).await.expect("reads");
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    let pause = world.upstream.pause_after("upload_part_copy");
    let copying = running(&world, to(&world.bucket, &target), &key, kept());
    pause.reached.notified().await;
    assert_eq!(rows().await, std::slice::from_ref(&target));
    release(&pause).await;
    copying.await.expect("runs").expect("copies");
    assert_eq!(rows().await, []);
    world.upstream.lose_answer_of("upload_part_copy");
    assert!(world.copy(&key, &target, kept()).await.is_err());
    assert_eq!(rows().await, [], "aborted");
}

/// A sweep spares it, whatever the clocks say.
#[tokio::test]
async fn a_sweep_spares_copies_in_progress() {
    let world = Arc::new(World::new().await);
    let (key, target) = (world.key("k"), world.key("copy"));
    let plain = pattern(6 * MIB);
    world.put(&key, &plain).await.expect("stored");
    let pause = world.upstream.pause_after("upload_part");
    let copying = running(&world, to(&world.bucket, &target), &key, kept());
    pause.reached.notified().await;
    world.clock.set(world.clock.now().plus(Duration::from_secs(2 * 24 * 60 * 60)));
    assert_eq!(world.objects.sweep().await.expect("sweeps"), Swept::default());
    assert_eq!(world.objects.sweep_cut_off().await.expect("sweeps"), Swept::default());
    release(&pause).await;
    copying.await.expect("runs").expect("copies");
    assert!(world.get(&target).await.expect("readable").1 == plain);
}

#[tokio::test]
async fn a_copy_into_a_bucket_that_went_away_is_taken_back() {
    for operation in ["create_multipart", "upload_part"] {
        let world = Arc::new(World::new().await);
        let key = world.key("k");
        world.put(&key, &pattern(6 * MIB)).await.expect("stored");
        let sibling = world.bucket_of("sibling", world.bucket.domain_id).await;
        let pause = world.upstream.pause_after(operation);
        let copying = running(&world, to(&sibling, &key), &key, kept());
        pause.reached.notified().await;
        world.objects.inner.store.delete_bucket(sibling.bucket_id).await.expect("gone");
        release(&pause).await;
        let copied = copying.await.expect("runs");
        assert!(matches!(copied, Err(ObjectError::NoSuchBucket)), "{operation}");
        let all = crate::upstream::ListRequest { max_entries: 10, ..Default::default() };
        assert!(world.upstream.list_objects(&sibling.name, &all).await.expect("lists").objects.is_empty());
        assert!(world.upstream.list_uploads(&sibling.name, None, 10).await.expect("lists").is_empty());
    }
}
