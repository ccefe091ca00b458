//! The suite, and what only a directory promises.

mod full;
mod listing;
mod opening;
mod restart;
mod trouble;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{BucketName, Clock};
use crate::upstream::Upstream;
use crate::upstream::suite::{Fixture, upstream_suite};

use super::LocalUpstream;

async fn fresh() -> Fixture {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = open(&dir.path().join("data")).await;
    Fixture { bucket: bucket(&upstream).await, upstream, quirks: &[], _keep: Box::new(dir) }
}

mod suite {
    use super::upstream_suite;

    upstream_suite!(super::super::fresh);
}

async fn open(path: &Path) -> Arc<LocalUpstream> {
    Arc::new(LocalUpstream::open(path, Clock::System).await.expect("an upstream"))
}

/// A fixture whose directory the test looks into.
async fn in_dir(path: &Path) -> (Fixture, Arc<LocalUpstream>) {
    let upstream = open(path).await;
    let bucket = bucket(&upstream).await;
    (
        Fixture { upstream: Arc::clone(&upstream) as Arc<dyn Upstream>, bucket, quirks: &[], _keep: Box::new(()) },
        upstream,
    )
}

async fn bucket(upstream: &LocalUpstream) -> BucketName {
    let bucket = BucketName::parse("bucket").expect("a name");
    if upstream.head_bucket(&bucket).await.is_err() {
        upstream.create_bucket(&bucket).await.expect("a bucket");
    }
    bucket
}

/// Every file below `dir`, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Waits until so many blob files are left: unlinking happens after the answer.
async fn blobs_become(dir: &Path, count: usize) {
    for _ in 0..200 {
        if files(&dir.join("blobs")).len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} blobs expected, and there are {:?}", files(&dir.join("blobs")));
}
