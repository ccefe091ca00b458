//! The one writer: shared commits, separate failures, bounded waits.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteSynchronous;
use sqlx::{ConnectOptions, Connection, Row};

use super::{Place, bucket, upload};
use crate::store::sqlite::options;
use crate::store::{Store, StoreError};

/// Half of the callers fail; each gets its own answer and the others' rows stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_caller_fails_alone() {
    let place = Place::new();
    let store = place.store().await;
    store.insert_bucket(bucket("taken")).await.expect("inserts");
    let insert = |store: Store, name: String| tokio::spawn(async move { store.insert_bucket(bucket(&name)).await });
    let callers: Vec<_> = (0..400)
        .map(|at| insert(store.clone(), if at % 2 == 0 { "taken".into() } else { format!("bucket-{at}") }))
        .collect();
    for (at, caller) in callers.into_iter().enumerate() {
        let answer = caller.await.expect("no panic");
        if at % 2 == 0 {
            assert!(matches!(answer, Err(StoreError::Conflict)));
        } else {
            answer.expect("inserts");
        }
    }
    assert_eq!(store.buckets(None, 1000).await.expect("reads").len(), 201);
}

/// A caller that fails after its first statement keeps nothing of it.
#[tokio::test]
async fn a_failing_caller_keeps_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let failed: Result<(), _> = store
        .write(|connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO principals (principal_id, name, kind, created) VALUES (randomblob(16), 'x', 2, 0)",
                )
                .execute(&mut *connection)
                .await?;
                Err(StoreError::Conflict)
            })
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Conflict)));
    assert!(store.principal_by_name("x").await.expect("reads").is_none());
}

/// design.md, section 6: what was acknowledged is on disk.
#[tokio::test]
async fn the_writer_syncs_every_commit() {
    let place = Place::new();
    let store = place.store().await;
    let settings = store.write(|connection| {
        Box::pin(async move {
            let mut settings = Vec::new();
            for sql in ["PRAGMA synchronous", "PRAGMA foreign_keys"] {
                settings.push(sqlx::query(sql).fetch_one(&mut *connection).await?.try_get::<i64, _>(0)?);
            }
            let journal = sqlx::query("PRAGMA journal_mode").fetch_one(connection).await?.try_get::<String, _>(0)?;
            Ok((settings, journal))
        })
    });
    // 2 is FULL.
    assert_eq!(settings.await.expect("reads"), (vec![2, 1], "wal".to_owned()));
}

/// No room: the write says so and keeps nothing, reading and deleting go on, and writing again once there is room.
#[tokio::test]
async fn no_room() {
    let place = Place::new();
    let store = place.store().await;
    let kept = bucket("kept");
    store.insert_bucket(kept.clone()).await.expect("inserts");
    let limit = async |pages: &'static str| {
        let set = store.write(move |connection| {
            Box::pin(async move {
                sqlx::query(pages).fetch_all(connection).await?;
                Ok(())
            })
        });
        set.await.expect("sets");
    };
    limit("PRAGMA max_page_count = 1").await;
    let mut row = upload(&kept, "k", 1);
    row.sealed_facts = vec![0; 1 << 20];
    let answer = store.insert_upload(row.clone()).await;
    assert!(matches!(answer, Err(StoreError::Full)), "{answer:?}");
    assert!(store.upload(&row.upload_id).await.expect("reads").is_none());
    assert_eq!(store.bucket(&kept.name).await.expect("reads"), Some(kept.clone()));
    let other = bucket("other");
    store.insert_bucket(other.clone()).await.expect("a small row still fits a page that is there");
    assert!(store.delete_bucket(other.bucket_id).await.expect("deletes"));
    limit("PRAGMA max_page_count = 1000000").await;
    store.insert_upload(row).await.expect("inserts");
}

#[tokio::test]
async fn a_lock_held_by_another_process_is_waited_for_and_then_busy() {
    let place = Place::new();
    let store = place.store().await;
    let mut other = options(&place.path(), SqliteSynchronous::Full).connect().await.expect("connects");
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    let begun = Instant::now();
    let answer = store.insert_bucket(bucket("one")).await;
    assert!(matches!(answer, Err(StoreError::Busy)), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "the wait is bounded");
    // Reading goes on meanwhile, and writing afterwards.
    assert!(store.buckets(None, 10).await.expect("reads").is_empty());
    lock.rollback().await.expect("unlocks");
    store.insert_bucket(bucket("one")).await.expect("inserts");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_its_write_along() {
    let place = Place::new();
    let store = place.store().await;
    let row = bucket("one");
    {
        let insert = store.insert_bucket(row.clone());
        let mut insert = Box::pin(insert);
        // Polled once: the write is queued, nobody waits for it.
        assert!(futures_util::poll!(insert.as_mut()).is_pending());
    }
    store.close().await;
    assert_eq!(place.store().await.bucket(&row.name).await.expect("reads"), Some(row));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let place = Place::new();
    let store = place.store().await;
    store.close().await;
    assert!(matches!(store.insert_bucket(bucket("one")).await, Err(StoreError::Closed)));
    assert!(matches!(store.buckets(None, 1).await, Err(StoreError::Closed)));
    assert!(store.ping().await.is_err());
}
