//! Blobs: immutable files under random names, 256 directories wide. A blob is written under a temporary name, synced,
//! renamed, and its directory synced; only then may a row name it.
//!
//! A blob is unlinked after the commit that took its last name away. Readers of objects that span several blobs hold a
//! [`Lease`], so that a GET that has begun can finish; a reader of one blob simply has it open.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::base::random;
use crate::upstream::UpstreamError;

use super::fault;
use super::room::{Room, preallocate};

/// Below the upstream's directory: `blobs/ab/ab...`.
pub(super) const BLOBS_DIR: &str = "blobs";
/// What a blob's name ends in until it is whole.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// A blob's random name; also the upstream ETag of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BlobName([u8; 16]);

impl BlobName {
    pub(super) fn generate() -> Self {
        Self(random::bytes())
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From the name of a file in the blob directories; `None` for anything that is not a whole blob.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let bytes = hex::decode(name).ok().filter(|bytes| hex::encode(bytes) == name)?;
        Self::from_slice(&bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The blobs of one directory.
pub(super) struct BlobStore {
    dir: PathBuf,
    pub(super) room: Arc<Room>,
    leases: Mutex<HashMap<BlobName, Leased>>,
    reaper: mpsc::Sender<PathBuf>,
}

/// How many readers a blob has, and whether it is to go when the last one leaves.
#[derive(Default)]
struct Leased {
    readers: usize,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Keep,
    Remove,
}

impl BlobStore {
    /// The blobs below `dir`, which has its 256 directories. Starts the thread that unlinks: freeing the blocks of a
    /// large file can take a second, and neither an answer nor a runtime thread should wait for it.
    pub(super) fn open(dir: &Path, room: Arc<Room>) -> io::Result<Arc<Self>> {
        let (reaper, doomed) = mpsc::channel::<PathBuf>();
        let reaper_room = Arc::clone(&room);
        thread::Builder::new().name("blob-reaper".into()).spawn(move || {
            for path in doomed {
                unlink(&path);
                reaper_room.refill();
            }
        })?;
        Ok(Arc::new(Self { dir: dir.join(BLOBS_DIR), room, leases: Mutex::default(), reaper }))
    }

    /// One of the 256 directories.
    pub(super) fn fan_dir(dir: &Path, first_byte: u8) -> PathBuf {
        dir.join(hex::encode([first_byte]))
    }

    /// Where a whole blob lies.
    pub(super) fn path(&self, blob: BlobName) -> PathBuf {
        Self::fan_dir(&self.dir, blob.0[0]).join(blob.to_string())
    }

    fn temporary_path(&self, blob: BlobName) -> PathBuf {
        Self::fan_dir(&self.dir, blob.0[0]).join(format!("{blob}{TEMPORARY_SUFFIX}"))
    }

    /// Opens a blob and checks its length. `None` when it is not there.
    pub(super) fn open_blob(&self, blob: BlobName, stored_bytes: u64) -> Result<Option<File>, UpstreamError> {
        let path = self.path(blob);
        let failed = |error: &io::Error| fault::of_io("open", &path, error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let found = file.metadata().map_err(|error| failed(&error))?.len();
        if found == stored_bytes {
            Ok(Some(file))
        } else {
            Err(UpstreamError::Broken(format!("{} has {found} bytes instead of {stored_bytes}", path.display())))
        }
    }

    /// Removes blobs that no committed row names any more, each as soon as nobody reads it.
    pub(super) fn remove(&self, blobs: impl IntoIterator<Item = BlobName>) {
        let mut leases = self.leases();
        for blob in blobs {
            match leases.get_mut(&blob) {
                Some(leased) => leased.fate = Fate::Remove,
                None => self.reap(self.path(blob)),
            }
        }
    }

    /// Keeps blobs from being unlinked until the lease is dropped. The caller checks afterwards that a row still names
    /// them: before that they may have been on their way out.
    pub(super) fn lease(self: &Arc<Self>, blobs: Vec<BlobName>) -> Lease {
        let mut leases = self.leases();
        for blob in &blobs {
            leases.entry(*blob).or_default().readers += 1;
        }
        Lease { store: Arc::clone(self), blobs }
    }

    fn release(&self, blobs: &[BlobName]) {
        let mut leases = self.leases();
        for blob in blobs {
            let Some(leased) = leases.get_mut(blob) else { continue };
            leased.readers = leased.readers.saturating_sub(1);
            if leased.readers == 0 && leases.remove(blob).is_some_and(|last| last.fate == Fate::Remove) {
                self.reap(self.path(*blob));
            }
        }
    }

    /// Without its thread nothing is lost: the next start sweeps.
    fn reap(&self, path: PathBuf) {
        let _ = self.reaper.send(path);
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<BlobName, Leased>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blobs that stay while this lives.
pub(super) struct Lease {
    store: Arc<BlobStore>,
    blobs: Vec<BlobName>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.release(&self.blobs);
    }
}

/// A blob that no row names yet. Dropped, it is removed, unless [`FreshBlob::hand_over`] was called.
pub(super) struct FreshBlob {
    store: Arc<BlobStore>,
    name: BlobName,
    file: File,
    stored_bytes: u64,
    on_drop: Fate,
}

impl FreshBlob {
    /// A new empty file with room for `stored_bytes`; refused with Full before a byte is read where they do not fit.
    /// Blocking.
    pub(super) fn create(store: Arc<BlobStore>, stored_bytes: u64) -> Result<Self, UpstreamError> {
        if !store.room.fits(stored_bytes) {
            return Err(UpstreamError::Full);
        }
        let name = BlobName::generate();
        let path = store.temporary_path(name);
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| fault::of_io("create", &path, &error))?;
        let fresh = Self { store, name, file, stored_bytes: 0, on_drop: Fate::Remove };
        preallocate(&fresh.file, stored_bytes).map_err(|error| fault::of_io("make room for", &path, &error))?;
        Ok(fresh)
    }

    pub(super) const fn name(&self) -> BlobName {
        self.name
    }

    pub(super) const fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Appends. Blocking.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        self.file.write_all(bytes).map_err(|error| self.failed("write", &error))?;
        self.stored_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Appends `len` bytes of another blob from `offset`; the system copies, where it can without moving bytes. Blocking.
    pub(super) fn write_from(&mut self, mut source: File, offset: u64, len: u64) -> Result<(), UpstreamError> {
        let copied = source
            .seek(SeekFrom::Start(offset))
            .and_then(|_| io::copy(&mut source.take(len), &mut self.file))
            .map_err(|error| self.failed("copy into", &error))?;
        self.stored_bytes += copied;
        if copied == len {
            Ok(())
        } else {
            Err(UpstreamError::Broken(format!("a blob ended {} bytes early", len - copied)))
        }
    }

    /// Makes the blob durable under its name: the file, the rename, the directory, in this order. Blocking.
    pub(super) fn seal(&mut self) -> Result<(), UpstreamError> {
        let path = self.store.path(self.name);
        self.file.sync_all().map_err(|error| self.failed("sync", &error))?;
        fs::rename(self.store.temporary_path(self.name), &path).map_err(|error| self.failed("rename", &error))?;
        let dir = BlobStore::fan_dir(&self.store.dir, self.name.0[0]);
        sync_dir(&dir).map_err(|error| fault::of_io("sync", &dir, &error))
    }

    /// From now on a row may name it: dropping it no longer removes it.
    pub(super) fn hand_over(&mut self) {
        self.on_drop = Fate::Keep;
    }

    /// It was handed over, and certainly no row names it.
    pub(super) fn take_back(&mut self) {
        self.on_drop = Fate::Remove;
    }

    fn failed(&self, doing: &str, error: &io::Error) -> UpstreamError {
        fault::of_io(doing, &self.store.temporary_path(self.name), error)
    }
}

impl Drop for FreshBlob {
    fn drop(&mut self) {
        if self.on_drop == Fate::Remove {
            // Both names: it may or may not have been renamed.
            self.store.reap(self.store.temporary_path(self.name));
            self.store.reap(self.store.path(self.name));
        }
    }
}

/// Makes entries of a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn unlink(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a blob stays until the next start"),
    }
}
