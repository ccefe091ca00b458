//! Room on the disk: writes are refused while some is left, so that deletes, which need a little, still work.
//!
//! Two provisions. A PUT is refused before its body when it would leave less than [`MARGIN_BYTES`] free. And because
//! other programs fill disks too, [`RESERVE_BYTES`] lie in a file that is given up when even a delete finds no room.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Left free by every write: room for the names file's log, which takes up to 4 MiB between checkpoints.
pub(super) const MARGIN_BYTES: u64 = 8 << 20;

/// Given up for deletes: a delete changes at most 4 pages of 4 KiB per key, and at most 250 keys go in one transaction.
const RESERVE_BYTES: u64 = 8 << 20;

/// The file that holds the reserve.
const RESERVE_FILE: &str = "reserve";

/// Whether the reserve lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reserve {
    Held,
    GivenUp,
}

/// The room of one directory.
pub(super) struct Room {
    dir: PathBuf,
    reserve: Mutex<Reserve>,
}

impl Room {
    /// Makes the reserve where it is missing and fits. Where it does not, the directory opens all the same: reads must go on.
    pub(super) fn open(dir: &Path) -> Self {
        let room = Self { dir: dir.to_owned(), reserve: Mutex::new(Reserve::GivenUp) };
        let held = fs::metadata(room.reserve_path()).is_ok_and(|file| file.len() == RESERVE_BYTES);
        if held {
            *room.lock() = Reserve::Held;
        } else {
            room.refill();
        }
        room
    }

    /// Whether `bytes` more leave the margin free. A file system that does not say is taken to have room.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.free_bytes().is_none_or(|free| bytes.checked_add(MARGIN_BYTES).is_some_and(|need| need <= free))
    }

    /// Gives the reserve up; false when that had been done before.
    pub(super) fn give_up_reserve(&self) -> bool {
        let mut reserve = self.lock();
        let was_held = *reserve == Reserve::Held && fs::remove_file(self.reserve_path()).is_ok();
        *reserve = Reserve::GivenUp;
        was_held
    }

    /// Takes the reserve back once there is ample room.
    pub(super) fn refill(&self) {
        let mut reserve = self.lock();
        let ample = || self.free_bytes().is_none_or(|free| free >= 2 * RESERVE_BYTES);
        if *reserve == Reserve::GivenUp && ample() {
            match allocate_reserve(&self.reserve_path()) {
                Ok(()) => *reserve = Reserve::Held,
                Err(error) => {
                    tracing::warn!(dir = %self.dir.display(), %error, "no room for the reserve that deletes fall back on");
                    let _ = fs::remove_file(self.reserve_path());
                }
            }
        }
    }

    fn reserve_path(&self) -> PathBuf {
        self.dir.join(RESERVE_FILE)
    }

    fn free_bytes(&self) -> Option<u64> {
        statvfs(&self.dir).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reserve> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the blocks of a file of `bytes` now, so that "full" is known before the body; not every file system can.
pub(super) fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn allocate_reserve(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            let zeros = [0; 64 << 10];
            (0..RESERVE_BYTES / zeros.len() as u64).try_for_each(|_| file.write_all(&zeros))
        }
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserve_is_given_up_once_and_taken_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let room = Room::open(dir.path());
        let path = dir.path().join(RESERVE_FILE);
        assert_eq!(fs::metadata(&path).expect("the reserve").len(), RESERVE_BYTES);
        assert!(room.give_up_reserve());
        assert!(!path.exists());
        assert!(!room.give_up_reserve());
        room.refill();
        assert!(path.exists());
    }

    #[test]
    fn what_exceeds_the_disk_does_not_fit() {
        let dir = tempfile::tempdir().expect("a directory");
        let room = Room::open(dir.path());
        assert!(room.fits(1));
        assert!(!room.fits(1 << 60));
        assert!(!room.fits(u64::MAX), "the sum is checked");
    }
}
