//! When something behind us fails: who is told what, and what is never told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::bench::{Bench, Send};

/// The stored file with the most bytes.
fn largest(dir: &Path) -> (PathBuf, u64) {
    let mut found = (PathBuf::new(), 0);
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let candidate =
            if path.is_dir() { largest(&path) } else { (path.clone(), fs::metadata(&path).expect("facts").len()) };
        if candidate.1 > found.1 {
            found = candidate;
        }
    }
    found
}

fn flip(bench: &Bench, at: u64) {
    let (path, _) = largest(&bench.data.path().join("objects/blobs"));
    let mut permissions = fs::metadata(&path).expect("facts").permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "the test's own file")]
    permissions.set_readonly(false);
    fs::set_permissions(&path, permissions).expect("permissions");
    let mut stored = fs::read(&path).expect("a blob");
    let at = usize::try_from(at).expect("an index");
    stored[at] ^= 1;
    fs::write(&path, stored).expect("written");
}

#[tokio::test]
async fn damage_behind_the_first_frame_breaks_the_answer_off() {
    let bench = Bench::new().await;
    bench.put("/data/key", vec![7; 1 << 20]).await.expect(200);
    flip(&bench, 900_000);
    let got = bench.get("/data/key").await;
    assert_eq!(got.status.as_u16(), 200);
    assert!(got.body.is_err(), "a damaged object must not end cleanly");
    let range = bench.send(Send::new("GET", "/data/key").header("range", "bytes=0-9")).await.expect(206);
    assert_eq!(range.bytes(), [7; 10]);
}

#[tokio::test]
async fn damage_at_the_beginning_is_an_error_without_details() {
    let bench = Bench::new().await;
    bench.put("/data/key", vec![7; 1 << 20]).await.expect(200);
    flip(&bench, 100);
    let got = bench.get("/data/key").await.refused(500, "InternalError");
    for secret in ["tag", "segment", "verif", "objects"] {
        assert!(!got.text().contains(secret), "{}", got.text());
    }
}

#[tokio::test]
async fn keys_that_are_unavailable_are_503_before_the_body() {
    let bench = Bench::new().await;
    bench.keyring.down.store(true, Ordering::SeqCst);
    let refused = bench.put("/data/key", "hello").await.refused(503, "ServiceUnavailable");
    assert_eq!(refused.header("retry-after"), Some("3"));
    assert!(!refused.text().contains("sealed"));
    bench.keyring.down.store(false, Ordering::SeqCst);
    bench.put("/data/key", "hello").await.expect(200);
    bench.keyring.down.store(true, Ordering::SeqCst);
    // What is in memory serves on.
    assert_eq!(bench.get("/data/key").await.expect(200).bytes(), b"hello");
}

#[tokio::test]
async fn requests_are_counted_once_answered() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    bench.get("/data/key").await.expect(200);
    bench.get("/data/none").await.expect(404);
    let metrics = bench.gateway.parts.metrics.render().expect("text");
    for line in [
        "crypt_keeper_requests_total{operation=\"PutObject\",status=\"200\"} 1",
        "crypt_keeper_requests_total{operation=\"GetObject\",status=\"200\"} 1",
        "crypt_keeper_requests_total{operation=\"GetObject\",status=\"404\"} 1",
        "crypt_keeper_request_body_bytes_total 5",
        "crypt_keeper_requests_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}
