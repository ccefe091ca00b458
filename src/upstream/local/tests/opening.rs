//! Every reason not to open a directory, each with its own error, and nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::Clock;
use crate::upstream::local::{LocalOpenError, LocalUpstream};

use super::{files, in_dir, open};

fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(dir).into_iter().map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect()
}

/// The refusal, whose text must name the directory; the directory must be as it was.
async fn refusal(dir: &Path) -> LocalOpenError {
    let before = snapshot(dir);
    let error = LocalUpstream::open(dir, Clock::System).await.err().expect("a refusal");
    assert!(snapshot(dir) == before, "{error}: the directory was changed");
    assert!(error.to_string().contains(&dir.display().to_string()), "{error}");
    error
}

/// A closed directory with one object in it.
async fn used(dir: &Path) {
    let (f, upstream) = in_dir(dir).await;
    f.put("k", b"bytes").await;
    upstream.close().await;
}

#[tokio::test]
async fn missing_directory_is_made_for_its_owner_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a/b/data");
    let _upstream = open(&path).await;
    let mode = fs::metadata(&path).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn file_in_its_place_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("file");
    fs::write(&path, "x").expect("a file");
    for path in [path.clone(), path.join("below")] {
        let error = LocalUpstream::open(&path, Clock::System).await.err().expect("a refusal");
        assert!(matches!(error, LocalOpenError::NotADirectory { .. }), "{error}");
    }
}

#[tokio::test]
async fn second_process_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data");
    let (f, upstream) = in_dir(&path).await;
    f.put("k", b"x").await;
    let error = LocalUpstream::open(&path, Clock::System).await.err().expect("a refusal");
    assert!(matches!(error, LocalOpenError::InUse { .. }), "{error}");
    assert_eq!(f.get("k").await.expect("a GET"), b"x");
    upstream.close().await;
    open(&path).await;
}

#[tokio::test]
async fn foreign_directory_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("thesis.tex"), "years of work").expect("a file");
    let error = refusal(dir.path()).await;
    assert!(matches!(error, LocalOpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("thesis.tex"), "{error}");
}

/// A fresh file system, and a first start that was killed early.
#[tokio::test]
async fn lost_and_found_and_an_early_kill_are_not_foreign() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("lost+found")).expect("a directory");
    fs::write(dir.path().join("lock"), "").expect("a file");
    fs::write(dir.path().join("CRYPT-KEEPER-UPSTREAM.new"), "Crypt-Kee").expect("a file");
    open(dir.path()).await;
}

#[tokio::test]
async fn newer_marker_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    used(dir.path()).await;
    fs::write(dir.path().join("CRYPT-KEEPER-UPSTREAM"), "Crypt-Keeper local upstream, layout 7\n").expect("a marker");
    let error = refusal(dir.path()).await;
    assert!(matches!(error, LocalOpenError::Newer { found: 7, .. }), "{error}");
}

#[tokio::test]
async fn newer_names_file_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    used(dir.path()).await;
    let path = dir.path().join("names.db");
    let mut bytes = fs::read(&path).expect("the names");
    // "User version", a big-endian u32 (sqlite.org/fileformat2.html).
    bytes[60..64].copy_from_slice(&9_u32.to_be_bytes());
    fs::write(&path, bytes).expect("the names");
    let error = refusal(dir.path()).await;
    assert!(matches!(error, LocalOpenError::Newer { found: 9, .. }), "{error}");
}

#[tokio::test]
async fn foreign_marker_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    used(dir.path()).await;
    fs::write(dir.path().join("CRYPT-KEEPER-UPSTREAM"), "\u{1}\u{2}").expect("a marker");
    let error = refusal(dir.path()).await;
    assert!(matches!(error, LocalOpenError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn damaged_names_file_is_refused() {
    let header = |bytes: &mut Vec<u8>| bytes[..16].fill(b'x');
    let pages = |bytes: &mut Vec<u8>| bytes[4096..].fill(0xa5);
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(50);
    for damage in [header as fn(&mut Vec<u8>), pages, cut] {
        let dir = tempfile::tempdir().expect("a directory");
        used(dir.path()).await;
        let path = dir.path().join("names.db");
        let mut bytes = fs::read(&path).expect("the names");
        damage(&mut bytes);
        fs::write(&path, bytes).expect("the names");
        let error = refusal(dir.path()).await;
        assert!(matches!(error, LocalOpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("restore"), "{error}");
    }
}

/// A new names file would have every blob swept away as a leftover.
#[tokio::test]
async fn missing_names_file_beside_blobs_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    used(dir.path()).await;
    let path = dir.path().join("names.db");
    fs::remove_file(&path).expect("removed");
    let error = refusal(dir.path()).await;
    assert!(matches!(error, LocalOpenError::Corrupt { .. }), "{error}");
    fs::write(&path, "").expect("an empty file");
    let error = refusal(dir.path()).await;
    assert!(matches!(error, LocalOpenError::Corrupt { .. }), "{error}");
}

/// Root may write everywhere but on a read-only mount.
#[tokio::test]
async fn unwritable_directory_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ro");
    fs::create_dir(&path).expect("a directory");
    let mounted = rustix::process::getuid().is_root()
        && Command::new("mount")
            .args(["-t", "tmpfs", "-o", "ro", "tmpfs"])
            .arg(&path)
            .status()
            .is_ok_and(|s| s.success());
    if rustix::process::getuid().is_root() && !mounted {
        eprintln!("SKIPPED unwritable_directory_is_told: root, and no read-only mount is allowed here");
        return;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).ok();
    for path in [path.clone(), path.join("below")] {
        let error = LocalUpstream::open(&path, Clock::System).await.err().expect("a refusal");
        assert!(matches!(error, LocalOpenError::NotWritable { .. }), "{error}");
    }
    if mounted {
        Command::new("umount").arg(&path).status().expect("umount runs");
    }
}
