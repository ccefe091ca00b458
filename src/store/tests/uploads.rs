//! Uploads and parts in flight.

use super::{BucketRow, Place, at, bucket, upload};
use crate::base::PartNumber;
use crate::store::parts::{PartPlace, PartRow};
use crate::store::{CompleteBegun, PartBegun, Store, StoreError, UploadId, UploadMarker, UploadRow, UploadState};

fn part(number: u32, salt: u8) -> PartRow {
    PartRow {
        number: PartNumber::new(number).expect("a part number"),
        salt: [salt; 24],
        plaintext_bytes: 5 << 20,
        sealed_digests: vec![salt; 40],
        place: PartPlace::Upstream(format!("etag-{number}-{salt}")),
        stored_bytes: (5 << 20) + 100,
        finished_seq: 0,
        modified: at(9),
    }
}

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).expect("a part number")
}

async fn with_upload(place: &Place) -> (Store, BucketRow, UploadRow) {
    let store = place.store().await;
    let bucket = bucket("one");
    store.insert_bucket(bucket.clone()).await.expect("inserts");
    let row = upload(&bucket, "k", 1000);
    store.insert_upload(row.clone()).await.expect("inserts");
    (store, bucket, row)
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let place = Place::new();
    let (store, bucket, row) = with_upload(&place).await;
    store.close().await;
    let store = place.store().await;
    let found = store.upload(&row.upload_id).await.expect("reads").expect("is there");
    assert_eq!(found.wrapped_dek, row.wrapped_dek);
    assert_eq!(found.body_id, row.body_id);
    assert_eq!(found.sealed_facts, row.sealed_facts);
    assert_eq!((found.bucket_id, found.key, found.initiator), (bucket.bucket_id, row.key.clone(), row.initiator));
    assert_eq!((found.created, found.highest_part_begun), (at(1000), 0));
    assert!(found.state == UploadState::Open);
    let nowhere = upload(&super::bucket("two"), "k", 1);
    assert!(matches!(store.insert_upload(nowhere).await, Err(StoreError::NoParent)));
}

#[test]
fn upload_ids_are_unguessable_and_sort_by_time() {
    let (early, late) = (UploadId::generate(at(1)), UploadId::generate(at(1_800_000_000_000)));
    assert!(early < late);
    assert_ne!(UploadId::generate(at(1)), early);
    assert_eq!(UploadId::parse(early.as_str()), Some(early));
    let long = "0".repeat(45);
    for bad in ["", "..", &long, &"G".repeat(44), &"A".repeat(44)] {
        assert_eq!(UploadId::parse(bad), None);
    }
}

#[tokio::test]
async fn the_highest_part_is_recorded_before_its_first_byte() {
    let place = Place::new();
    let (store, _, row) = with_upload(&place).await;
    for (begun, highest) in [(3, 3), (1, 3), (10_000, 10_000), (9_999, 10_000)] {
        assert_eq!(store.begin_part(&row.upload_id, number(begun)).await.expect("writes"), PartBegun::Begun);
        let now = store.upload(&row.upload_id).await.expect("reads").expect("is there");
        assert_eq!(now.highest_part_begun, highest);
    }
    let unknown = UploadId::generate(at(1));
    assert_eq!(store.begin_part(&unknown, number(1)).await.expect("reads"), PartBegun::Gone);
}

#[tokio::test]
async fn states_of_an_upload() {
    let place = Place::new();
    let (store, _, row) = with_upload(&place).await;
    let id = &row.upload_id;
    store.begin_part(id, number(4)).await.expect("writes");
    // Twice: a client repeats a Complete that broke off.
    for _ in 0..2 {
        let begun = store.begin_complete(id).await.expect("writes");
        assert!(matches!(begun, CompleteBegun::Begun { highest_part_begun: 4 }));
    }
    assert_eq!(store.begin_part(id, number(5)).await.expect("reads"), PartBegun::Completing);
    store.reopen_upload(id).await.expect("writes");
    assert_eq!(store.begin_part(id, number(5)).await.expect("writes"), PartBegun::Begun);

    store.begin_complete(id).await.expect("writes");
    assert_eq!(store.reopen_all_uploads().await.expect("writes"), 1);
    assert_eq!(store.begin_part(id, number(6)).await.expect("writes"), PartBegun::Begun);

    store.begin_complete(id).await.expect("writes");
    assert!(store.mark_completed(id, vec![42], at(5)).await.expect("writes"));
    let again = store.begin_complete(id).await.expect("reads");
    assert!(matches!(again, CompleteBegun::Completed { sealed_result } if sealed_result == [42]));
    assert!(!store.mark_aborted(id, at(6)).await.expect("writes"), "what is completed cannot be aborted");
    assert_eq!(store.begin_part(id, number(1)).await.expect("reads"), PartBegun::Gone);
    assert!(matches!(store.insert_part(id, part(1, 1)).await, Err(StoreError::NoParent)));

    assert!(store.uploads_finished_before(at(5), None, 10).await.expect("reads").is_empty());
    let finished = store.uploads_finished_before(at(6), None, 10).await.expect("reads");
    assert_eq!(finished.len(), 1);
    assert!(store.uploads_finished_before(at(6), finished.last(), 10).await.expect("reads").is_empty());
    assert!(store.delete_upload(id).await.expect("writes"));
    assert!(matches!(store.begin_complete(id).await.expect("reads"), CompleteBegun::Gone));
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let place = Place::new();
    let (store, bucket, row) = with_upload(&place).await;
    assert!(store.mark_aborted(&row.upload_id, at(5)).await.expect("writes"));
    assert_eq!(store.begin_part(&row.upload_id, number(1)).await.expect("reads"), PartBegun::Gone);
    assert!(matches!(store.begin_complete(&row.upload_id).await.expect("reads"), CompleteBegun::Gone));
    assert!(store.uploads(bucket.bucket_id, "", None, 10).await.expect("reads").is_empty());
}

#[tokio::test]
async fn uploads_are_listed_in_byte_order_after_the_marker() {
    let place = Place::new();
    let store = place.store().await;
    let (mine, other) = (bucket("one"), bucket("two"));
    for row in [&mine, &other] {
        store.insert_bucket(row.clone()).await.expect("inserts");
    }
    // U+FFFD sorts before U+10000 in UTF-8 and after it in UTF-16.
    let keys = ["a", "a/b", "a\u{fffd}", "a\u{10000}", "b", "B"];
    for (key, begun) in keys.iter().zip(1..) {
        store.insert_upload(upload(&mine, key, begun)).await.expect("inserts");
    }
    let twice = upload(&mine, "a", 100);
    store.insert_upload(twice.clone()).await.expect("inserts");
    store.insert_upload(upload(&other, "a", 1)).await.expect("inserts");

    let list = async |prefix: &str, after, max| {
        let rows = store.uploads(mine.bucket_id, prefix, after, max).await.expect("reads");
        rows.into_iter().map(|row| row.key.as_str().to_owned()).collect::<Vec<_>>()
    };
    let marker = |key, upload_id| Some(UploadMarker { key, upload_id });
    assert_eq!(list("", None, 100).await, ["B", "a", "a", "a/b", "a\u{fffd}", "a\u{10000}", "b"]);
    assert_eq!(list("a", None, 100).await, ["a", "a", "a/b", "a\u{fffd}", "a\u{10000}"]);
    assert_eq!(list("a\u{10000}", None, 100).await, ["a\u{10000}"]);
    assert_eq!(list("", None, 2).await, ["B", "a"]);
    assert_eq!(list("", marker("a", None), 100).await, ["a/b", "a\u{fffd}", "a\u{10000}", "b"]);
    assert_eq!(list("", marker("a", Some("0")), 2).await, ["a", "a"]);
    assert_eq!(list("", marker("a", Some(twice.upload_id.as_str())), 1).await, ["a/b"]);
}

#[tokio::test]
async fn every_attempt_is_a_row_of_its_own() {
    let place = Place::new();
    let (store, _, row) = with_upload(&place).await;
    let id = &row.upload_id;
    for (n, salt) in [(2, 1), (1, 2), (2, 3), (7, 4)] {
        store.insert_part(id, part(n, salt)).await.expect("inserts");
    }
    assert!(matches!(store.insert_part(id, part(2, 1)).await, Err(StoreError::Conflict)));
    let list = async |after, max| {
        let rows = store.parts(id, after, max).await.expect("reads");
        rows.into_iter().map(|row| (row.number.get(), row.salt[0], row.finished_seq)).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 100).await, [(1, 2, 2), (2, 1, 1), (2, 3, 3), (7, 4, 4)]);
    assert_eq!(list(0, 2).await, [(1, 2, 2), (2, 1, 1), (2, 3, 3)], "max counts numbers, not attempts");
    assert_eq!(list(1, 1).await, [(2, 1, 1), (2, 3, 3)]);
    assert_eq!(list(7, 100).await, []);
    let first = store.parts(id, 0, 1).await.expect("reads").remove(0);
    assert!(first == PartRow { finished_seq: 2, ..part(1, 2) });
    store.forget_parts(id).await.expect("writes");
    assert_eq!(list(0, 100).await, []);
}

#[tokio::test]
async fn attempts_of_one_part_are_bounded() {
    let place = Place::new();
    let (store, _, row) = with_upload(&place).await;
    let held = |salt: u8| PartRow { place: PartPlace::Held(format!("tmp/{salt}")), ..part(1, salt) };
    let mut dropped = Vec::new();
    for salt in 0..40 {
        dropped.extend(store.insert_part(&row.upload_id, held(salt)).await.expect("inserts").dropped_held_keys);
    }
    assert_eq!(dropped, (0..8).map(|salt| format!("tmp/{salt}")).collect::<Vec<_>>());
    assert_eq!(store.parts(&row.upload_id, 0, 1).await.expect("reads").len(), 32);
    assert!(!store.is_held("tmp/7").await.expect("reads"));
    assert!(store.is_held("tmp/8").await.expect("reads"));
}

#[tokio::test]
async fn parts_go_with_their_upload() {
    let place = Place::new();
    let (store, bucket, row) = with_upload(&place).await;
    store.insert_part(&row.upload_id, part(1, 1)).await.expect("inserts");
    assert!(store.delete_bucket(bucket.bucket_id).await.expect("writes"));
    assert!(store.upload(&row.upload_id).await.expect("reads").is_none());
    assert!(store.parts(&row.upload_id, 0, 10).await.expect("reads").is_empty());
}

#[tokio::test]
async fn old_uploads_are_found_for_the_sweep() {
    let place = Place::new();
    let (store, bucket, old) = with_upload(&place).await;
    store.insert_upload(upload(&bucket, "new", 5000)).await.expect("inserts");
    let found = store.uploads_begun_before(at(5000), None, 10).await.expect("reads");
    assert_eq!(found.iter().map(|row| &row.upload_id).collect::<Vec<_>>(), [&old.upload_id]);
    let all = store.uploads_begun_before(at(6000), Some(&old), 10).await.expect("reads");
    assert_eq!(all.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["new"], "behind the first");
}

/// An attempt is noted down before its answer comes, and becomes the last one with it.
#[tokio::test]
async fn an_attempt_that_is_answered_later() {
    let place = Place::new();
    let (store, _, row) = with_upload(&place).await;
    let id = &row.upload_id;
    let sent = PartRow { place: PartPlace::Sent, ..part(1, 1) };
    store.insert_part(id, sent).await.expect("inserts");
    store.insert_part(id, part(1, 2)).await.expect("inserts");
    store.close().await;
    let store = place.store().await;
    let rows = store.parts(id, 0, 10).await.expect("reads");
    assert!(rows[0].place == PartPlace::Sent && rows[0].salt == [1; 24]);
    store.answer_part(id, number(1), [1; 24], "late".into(), at(20)).await.expect("answered");
    let rows = store.parts(id, 0, 10).await.expect("reads");
    let last = rows.last().expect("two rows");
    assert!(last.place == PartPlace::Upstream("late".into()) && last.salt == [1; 24]);
    assert_eq!((rows.len(), last.finished_seq, last.modified), (2, 3, at(20)));
    let unknown = store.answer_part(id, number(1), [9; 24], "x".into(), at(20)).await;
    assert!(matches!(unknown, Err(StoreError::NoParent)));
    assert!(store.mark_aborted(id, at(30)).await.expect("aborts"));
    let over = store.answer_part(id, number(1), [1; 24], "x".into(), at(40)).await;
    assert!(matches!(over, Err(StoreError::NoParent)));
}
