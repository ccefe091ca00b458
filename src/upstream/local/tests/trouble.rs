//! Damaged blobs, and a names file that another program holds.

use std::fs;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::upstream::suite::{assert_refused, noise};
use crate::upstream::{StoredRange, UpstreamError, WriteCondition};

use super::{files, in_dir};

#[tokio::test]
async fn damaged_blob_is_told_and_never_served_short() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, _upstream) = in_dir(dir.path()).await;
    f.put("k", &noise(100_000, 1)).await;
    let blob = files(&dir.path().join("blobs")).remove(0);
    let reply = f.upstream.get_object(&f.object("k"), StoredRange::Whole, None).await.expect("a GET");
    fs::File::options().write(true).open(&blob).and_then(|file| file.set_len(50_000)).expect("cut");
    assert_refused!(crate::upstream::suite::read_all(reply.body).await, UpstreamError::Broken(_));
    assert_refused!(f.get("k").await, UpstreamError::Broken(_));
    fs::remove_file(&blob).expect("removed");
    assert_refused!(f.get("k").await, UpstreamError::Broken(_));
    f.head("k").await.expect("the row is there");
    f.put("k", b"again").await;
    assert_eq!(f.get("k").await.expect("a GET"), b"again");
}

#[tokio::test]
async fn held_names_file_is_waited_for_and_then_unavailable() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, _upstream) = in_dir(dir.path()).await;
    f.put("k", b"x").await;
    let mut shell = SqliteConnectOptions::new().filename(dir.path().join("names.db")).connect().await.expect("a shell");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut shell).await.expect("a lock");
    let begun = Instant::now();
    let put = |key: &'static str| f.try_put(key, b"x", WriteCondition::None);
    let refused = tokio::join!(put("other"), put("2"), put("3"), put("4"), put("5"));
    for refused in [refused.0, refused.1, refused.2, refused.3, refused.4] {
        assert_refused!(refused, UpstreamError::Unavailable(_));
    }
    // Twice the time that SQLite waits: what came while the writer waited has its own wait, all of it together.
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    assert_eq!(f.get("k").await.expect("reads go on"), b"x");
    sqlx::query("ROLLBACK").execute(&mut shell).await.expect("let go");
    f.put("other", b"x").await;
    super::blobs_become(dir.path(), 2).await;
}
