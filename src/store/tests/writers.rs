//! The one writer: shared commits, separate failures, bounded waits.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteSynchronous;
use sqlx::{ConnectOptions, Connection};

use super::{Place, bucket};
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
