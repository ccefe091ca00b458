//! A full disk, on a small tmpfs: writes are refused cleanly, reads and deletes go on.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::upstream::suite::{Untouched, assert_refused, key, noise};
use crate::upstream::{PutBody, Tags, UpstreamError, WriteCondition};

use super::{blobs_become, in_dir};

/// A tmpfs of `mib` MiB; unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, loudly, where this user may not mount.
    fn mount(at: &Path, mib: u32) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(at)
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("SKIPPED a test of full disks: this user may not mount a tmpfs");
        }
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: connections close a little later.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const MIB: usize = 1 << 20;

#[tokio::test]
async fn full_disk_refuses_writes_and_serves_reads_and_deletes() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(dir.path(), 48) else { return };
    let data = disk.0.join("data");
    let (f, _upstream) = in_dir(&data).await;
    let bytes = noise(4 * MIB, 1);
    let mut stored = 0;
    let refused = loop {
        match f.try_put(&format!("k{stored}"), &bytes, WriteCondition::None).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, UpstreamError::Full), "{refused:?}");
    assert!(stored >= 4, "{stored} stored in 48 MiB");
    let body = PutBody { stored_bytes: 40 * MIB as u64, source: &mut Untouched };
    let early = f.upstream.put_object(&f.bucket, &key("large"), body, WriteCondition::None, &Tags::new()).await;
    assert_refused!(early, UpstreamError::Full);
    for index in 0..stored {
        assert!(f.get(&format!("k{index}")).await.expect("reads go on") == bytes);
    }
    f.upstream.delete_object(&f.object("k0"), WriteCondition::None).await.expect("deletes go on");
    blobs_become(&data, stored - 1).await;
    f.put("again", &bytes).await;
}

/// Another program fills the disk to the last byte: the margin is gone, and the reserve is there for this.
#[tokio::test]
async fn delete_works_when_another_program_took_the_last_byte() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(dir.path(), 64) else { return };
    let data = disk.0.join("data");
    let (f, upstream) = in_dir(&data).await;
    for index in 0..400 {
        f.put(&format!("{index:03}-{}", "k".repeat(1000)), b"x").await;
    }
    // A new process starts with an empty log, which has to grow for the first delete.
    upstream.close().await;
    drop((f, upstream));
    let (f, _upstream) = in_dir(&data).await;
    let mut filler = File::create(disk.0.join("filler")).expect("a file");
    while filler.write(&[7; 4096]).is_ok_and(|written| written > 0) {}
    let full = f.try_put("new", b"x", WriteCondition::None).await;
    assert_refused!(full, UpstreamError::Full);
    let first = format!("000-{}", "k".repeat(1000));
    assert_eq!(f.get(&first).await.expect("reads go on"), b"x");
    assert!(data.join("reserve").exists());
    let objects: Vec<_> = (0..400).map(|index| f.object(&format!("{index:03}-{}", "k".repeat(1000)))).collect();
    let results = f.upstream.delete_objects(&f.bucket, &objects).await.expect("deletes go on");
    assert!(results.iter().all(Result::is_ok));
    assert!(!data.join("reserve").exists(), "the reserve was needed");
    assert_refused!(f.head(&first).await, UpstreamError::NoSuchKey);
    drop(filler);
    std::fs::remove_file(disk.0.join("filler")).expect("removed");
    f.put("new", b"x").await;
    f.upstream.delete_object(&f.object("new"), WriteCondition::None).await.expect("a delete");
    blobs_become(&data, 0).await;
    assert!(data.join("reserve").exists(), "and is taken back");
}
