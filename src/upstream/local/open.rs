//! Opening the directory: what is checked before anything is changed, and the one line that each refusal says.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::directory;

use super::blob::{BLOBS_DIR, BlobStore, sync_dir};

/// The layout of the directory and the schema of the names file, in one number.
pub(super) const LAYOUT_VERSION: u32 = 1;

/// The file that says whose directory this is.
pub(super) const MARKER_FILE: &str = "CRYPT-KEEPER-UPSTREAM";
const MARKER_START: &str = "Crypt-Keeper local upstream, layout ";
const LOCK_FILE: &str = "lock";
const NEW_MARKER_FILE: &str = "CRYPT-KEEPER-UPSTREAM.new";
/// A directory with nothing but these is empty: what a first start that was cut off leaves, and what mkfs makes.
const HARMLESS: &[&str] = &[LOCK_FILE, NEW_MARKER_FILE, "lost+found"];

/// A process that is just ending gets this long to let go of the lock.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(25);

/// Why the directory cannot be used. Nothing in it has been changed.
#[derive(Debug, thiserror::Error)]
pub enum LocalOpenError {
    /// It cannot be made, read or written.
    #[error(
        "{path}: {source}: the storage directory must be writable by this user; give another path or change its owner"
    )]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something else stands there.
    #[error("{path} is not a directory: give the path of a directory for the stored objects")]
    NotADirectory {
        /// Which.
        path: PathBuf,
    },
    /// Another process holds it.
    #[error("{path} is in use by another process: stop that one, or give this one a directory of its own")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// It has files and none of them is ours.
    #[error("{path} holds other files ({found}) and no Crypt-Keeper storage: give an empty directory or the right one")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// A newer Crypt-Keeper wrote it.
    #[error(
        "{path} was written by a newer version (layout {found}, this one knows {LAYOUT_VERSION}): run that version"
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// The names file or the marker is damaged or gone, while there are blobs.
    #[error("{path} is damaged ({detail}): restore it from a backup made with the blobs beside it")]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another failure of the file system or of SQLite.
    #[error("cannot open {path}: {detail}")]
    Failed {
        /// What.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

impl LocalOpenError {
    fn of_io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotADirectory => Self::NotADirectory { path: path.to_owned() },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path: path.to_owned(), source }
            }
            _ => Self::Failed { path: path.to_owned(), detail: source.to_string() },
        }
    }
}

/// The directory, checked and held against other processes while this lives.
pub(super) struct HeldDir {
    pub(super) path: PathBuf,
    _lock: File,
}

impl HeldDir {
    /// Checks, makes where it is missing, locks and lays out the directory. Blocking.
    pub(super) fn open(path: &Path) -> Result<Self, LocalOpenError> {
        let failed = |error| LocalOpenError::of_io(path, error);
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(LocalOpenError::NotADirectory { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Ciphertext, but whose and how much is nobody else's business.
                directory::make_private(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let before_lock = Contents::of(path)?;
        check_access(path)?;
        let lock = take_lock(path)?;
        // Again under the lock: another process may have laid it out in between.
        match (before_lock, Contents::of(path)?) {
            (_, Contents::Ours) => {}
            (_, Contents::Empty) => write_marker(path).map_err(failed)?,
        }
        lay_out(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Whether any blob lies here, whole or not.
    pub(super) fn has_blobs(&self) -> io::Result<bool> {
        for first_byte in 0..=u8::MAX {
            let fan_dir = BlobStore::fan_dir(&self.path.join(BLOBS_DIR), first_byte);
            if fs::read_dir(fan_dir)?.next().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a directory that may be used holds.
enum Contents {
    Empty,
    Ours,
}

impl Contents {
    fn of(path: &Path) -> Result<Self, LocalOpenError> {
        let failed = |error| LocalOpenError::of_io(path, error);
        match fs::File::open(path.join(MARKER_FILE)) {
            Ok(marker) => return check_marker(path, marker),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !HARMLESS.contains(&name.as_str()) {
                return Err(LocalOpenError::Foreign { path: path.to_owned(), found: name });
            }
        }
        Ok(Self::Empty)
    }
}

fn check_marker(dir: &Path, marker: File) -> Result<Contents, LocalOpenError> {
    let path = dir.join(MARKER_FILE);
    let mut text = String::new();
    marker.take(256).read_to_string(&mut text).map_err(|error| LocalOpenError::of_io(&path, error))?;
    let layout = text.lines().next().and_then(|line| line.strip_prefix(MARKER_START)?.parse::<u32>().ok());
    match layout {
        Some(found) if found > LAYOUT_VERSION => Err(LocalOpenError::Newer { path: dir.to_owned(), found }),
        Some(_) => Ok(Contents::Ours),
        None => Err(LocalOpenError::Corrupt { path, detail: "its first line is not ours".into() }),
    }
}

/// Written whole or not at all, and before any blob.
fn write_marker(dir: &Path) -> io::Result<()> {
    let new = dir.join(NEW_MARKER_FILE);
    let mut file = File::create(&new)?;
    write!(
        file,
        "{MARKER_START}{LAYOUT_VERSION}\nnames.db says what the files under blobs/ are; back both up together.\n"
    )?;
    file.sync_all()?;
    fs::rename(&new, dir.join(MARKER_FILE))?;
    sync_dir(dir)
}

fn lay_out(dir: &Path) -> io::Result<()> {
    let blobs = dir.join(BLOBS_DIR);
    let make = |path: &Path| match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    };
    make(&blobs)?;
    (0..=u8::MAX).try_for_each(|first_byte| make(&BlobStore::fan_dir(&blobs, first_byte)))?;
    sync_dir(&blobs)?;
    sync_dir(dir)
}

/// Asked, not tried, so that nothing is changed.
fn check_access(dir: &Path) -> Result<(), LocalOpenError> {
    let all = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(dir, all).map_err(|errno| LocalOpenError::of_io(dir, errno.into()))
}

fn take_lock(dir: &Path) -> Result<File, LocalOpenError> {
    let path = dir.join(LOCK_FILE);
    let lock = File::options().write(true).create(true).truncate(false).open(&path);
    let lock = lock.map_err(|error| LocalOpenError::of_io(&path, error))?;
    let mut waited = Duration::ZERO;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if waited < LOCK_WAIT => {
                std::thread::sleep(LOCK_POLL);
                waited += LOCK_POLL;
            }
            Err(TryLockError::WouldBlock) => return Err(LocalOpenError::InUse { path: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(LocalOpenError::of_io(&path, error)),
        }
    }
}
