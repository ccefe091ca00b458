//! What a restart finds, and what it sweeps.

use std::fs;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::limits::MIN_PART_BYTES;
use crate::upstream::suite::{Bytes, Fixture, assert_refused, key, noise, read_all};
use crate::upstream::{BodyAborted, BodySource, PutBody, StoredRange, Tags, UpstreamError, WriteCondition};

use super::{blobs_become, files, in_dir};

#[tokio::test]
async fn restart_finds_everything() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, upstream) = in_dir(dir.path()).await;
    let tags: Tags = vec![("a".into(), "b".into())];
    let body = PutBody { stored_bytes: 5, source: &mut Bytes::new(b"bytes") };
    let facts = f.upstream.put_object(&f.bucket, &key("k"), body, WriteCondition::None, &tags).await.expect("a PUT");
    let upload = f.begin("big").await;
    let part = f.part(&upload, 1, &noise(MIN_PART_BYTES as usize, 1)).await;
    upstream.close().await;
    assert_refused!(f.try_put("late", b"x", WriteCondition::None).await, UpstreamError::Unavailable(_));
    drop((f, upstream));

    let (f, _upstream) = in_dir(dir.path()).await;
    assert_eq!(f.head("k").await.expect("a HEAD"), facts);
    assert_eq!(f.get("k").await.expect("a GET"), b"bytes");
    assert_eq!(f.upstream.get_tags(&f.object("k")).await.expect("tags"), tags);
    let tail = f.part(&upload, 2, b"tail").await;
    f.complete(&upload, &[(1, part), (2, tail)]).await.expect("complete");
    assert_eq!(f.head("big").await.expect("a HEAD").stored_bytes, MIN_PART_BYTES + 4);
    assert_refused!(f.head("late").await, UpstreamError::NoSuchKey);
}

/// As after kill -9: the directory as it is while the process runs, without a clean close.
#[tokio::test]
async fn copy_of_a_running_directory_opens() {
    let dir = tempfile::tempdir().expect("a directory");
    let (running, copy) = (dir.path().join("running"), dir.path().join("copy"));
    let (f, _upstream) = in_dir(&running).await;
    for round in 0..20 {
        f.put("k", &noise(100_000, round)).await;
    }
    f.put("other", b"x").await;
    blobs_become(&running, 2).await;
    copy_dir(&running, &copy);
    assert!(copy.join("names.db-wal").metadata().expect("a log").len() > 0, "the commits are in the log only");
    let (f, _upstream) = in_dir(&copy).await;
    assert!(f.get("k").await.expect("a GET") == noise(100_000, 19));
    assert_eq!(f.get("other").await.expect("a GET"), b"x");
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[tokio::test]
async fn leftovers_are_swept_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, upstream) = in_dir(dir.path()).await;
    f.put("k", b"bytes").await;
    let upload = f.begin("big").await;
    let part = f.part(&upload, 1, b"part").await;
    upstream.close().await;
    drop((f, upstream));
    let kept = files(&dir.path().join("blobs"));
    assert_eq!(kept.len(), 2);
    // A body cut off, a blob whose commit never came, one byte of each directory's range, and litter.
    let leftovers = [
        "00/00000000000000000000000000000000",
        "ab/abababababababababababababababab",
        "ab/abababababababababababababababab.tmp",
        "ff/ffffffffffffffffffffffffffffffff",
        "ff/FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        "10/litter",
    ];
    for leftover in leftovers {
        fs::write(dir.path().join("blobs").join(leftover), "x").expect("a leftover");
    }
    let (f, _upstream) = in_dir(dir.path()).await;
    assert_eq!(files(&dir.path().join("blobs")), kept);
    assert_eq!(f.get("k").await.expect("a GET"), b"bytes");
    f.complete(&upload, &[(1, part)]).await.expect("complete");
}

#[tokio::test]
async fn blobs_without_a_name_go_while_it_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, _upstream) = in_dir(dir.path()).await;
    f.put("k", b"1").await;
    f.put("k", b"2").await;
    blobs_become(dir.path(), 1).await;
    let upload = f.begin("big").await;
    for number in [1, 1, 2, 3] {
        f.part(&upload, number, b"x").await;
    }
    blobs_become(dir.path(), 4).await;
    let last = f.part(&upload, 3, b"y").await;
    f.complete(&upload, &[(3, last)]).await.expect("complete");
    blobs_become(dir.path(), 2).await;
    let upload = f.begin("big").await;
    f.part(&upload, 1, b"x").await;
    f.upstream.abort_multipart(&upload).await.expect("an abort");
    f.upstream.delete_object(&f.object("k"), WriteCondition::None).await.expect("a delete");
    f.upstream.delete_object(&f.object("big"), WriteCondition::None).await.expect("a delete");
    blobs_become(dir.path(), 0).await;
}

#[tokio::test]
async fn refused_writes_leave_no_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, _upstream) = in_dir(dir.path()).await;
    for (promised, mut source) in
        [(300_000_u64, Bytes::then_refused(&[7; 300_000])), (1, Bytes::new(b"long")), (9, Bytes::new(b"short"))]
    {
        let body = PutBody { stored_bytes: promised, source: &mut source };
        let refused = f.upstream.put_object(&f.bucket, &key("k"), body, WriteCondition::None, &Tags::new()).await;
        assert_refused!(refused, UpstreamError::Body(BodyAborted));
    }
    blobs_become(dir.path(), 0).await;
}

/// Gives some bytes and then nothing, for ever.
struct Stalls(usize);

#[async_trait]
impl BodySource for Stalls {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        if self.0 == 0 {
            std::future::pending::<()>().await;
        }
        let len = into.len().min(self.0);
        self.0 -= len;
        Ok(len)
    }
}

/// A client that goes away drops the request's future.
#[tokio::test]
async fn dropped_put_leaves_no_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, _upstream) = in_dir(dir.path()).await;
    let mut source = Stalls(1_000_000);
    let body = PutBody { stored_bytes: 1_000_001, source: &mut source };
    let tags = Tags::new();
    let bucket_key = key("k");
    let put = f.upstream.put_object(&f.bucket, &bucket_key, body, WriteCondition::None, &tags);
    assert!(tokio::time::timeout(Duration::from_millis(300), put).await.is_err(), "it stalls");
    blobs_become(dir.path(), 0).await;
    assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
}

async fn three_parts(f: &Fixture) -> Vec<u8> {
    let upload = f.begin("k").await;
    let mut etags = Vec::new();
    let parts = [noise(MIN_PART_BYTES as usize, 1), noise(MIN_PART_BYTES as usize, 2), noise(9, 3)];
    for (number, part) in (1..).zip(&parts) {
        etags.push((number, f.part(&upload, number, part).await));
    }
    f.complete(&upload, &etags).await.expect("complete");
    parts.concat()
}

/// Here a GET that has begun always finishes, whatever happens to the object, and the blobs go when it has.
#[tokio::test]
async fn reader_keeps_the_blobs_of_a_deleted_object() {
    let dir = tempfile::tempdir().expect("a directory");
    let (f, _upstream) = in_dir(dir.path()).await;
    let whole = three_parts(&f).await;
    let object = f.object("k");
    let reply = f.upstream.get_object(&object, StoredRange::Whole, None).await.expect("a GET");
    let other = f.upstream.get_object(&object, StoredRange::Whole, None).await.expect("a GET");
    f.upstream.delete_object(&object, WriteCondition::None).await.expect("a delete");
    f.put("after", b"x").await;
    assert_eq!(files(&dir.path().join("blobs")).len(), 4, "leased");
    assert!(read_all(reply.body).await.expect("all of it") == whole);
    assert_eq!(files(&dir.path().join("blobs")).len(), 4, "the other reader is still there");
    drop(other);
    blobs_become(dir.path(), 1).await;
}

#[tokio::test]
async fn names_are_backed_up_while_it_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (running, restored) = (dir.path().join("running"), dir.path().join("restored"));
    let (f, upstream) = in_dir(&running).await;
    let whole = three_parts(&f).await;
    let backup = dir.path().join("names.backup");
    upstream.backup_names(&backup).await.expect("a backup");
    f.put("later", b"x").await;
    assert_refused!(upstream.backup_names(&backup).await, UpstreamError::Broken(_));
    copy_dir(&running, &restored);
    for name in ["names.db", "names.db-wal", "names.db-shm"] {
        fs::remove_file(restored.join(name)).ok();
    }
    fs::copy(&backup, restored.join("names.db")).expect("a copy");
    let (f, _upstream) = in_dir(&restored).await;
    assert!(f.get("k").await.expect("a GET") == whole);
    assert_refused!(f.head("later").await, UpstreamError::NoSuchKey);
}
