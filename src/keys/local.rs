//! The keyring in a file of this machine, for development and small sites: named keys with versions, readable by its
//! owner only. Whoever has this file and the stored objects can read them; without it nobody can.
//!
//! A new file appears whole and durable, or not at all, and never in the place of another one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};

use super::keyring::{KeyVersions, Keyring, KeyringError, WrappedKey};
use super::local_file::{KeySet, Malformed};
use crate::base::{Key32, Timestamp, random};
use crate::envelope::cobblestone;

/// Mode bits that must not be set: nobody but the owner may do anything with the file.
const OTHERS: u32 = 0o077;

/// Why a keyring file cannot be used; one line each, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum LocalKeyringError {
    /// It is not there.
    #[error("the keyring {path} is missing: restore it from its backup, without it no stored object can be read")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// It is there already.
    #[error("the keyring {path} exists already and is never overwritten")]
    Exists {
        /// Which.
        path: String,
    },
    /// Others than its owner may read it.
    #[error("the keyring {path} is open to others (mode {mode:04o}): check who read it, then run: chmod 600 {path}")]
    TooOpen {
        /// Which.
        path: String,
        /// Its mode bits.
        mode: u32,
    },
    /// It is not what we write.
    #[error("the keyring {path} cannot be read ({fault}): restore it from its backup")]
    Malformed {
        /// Which.
        path: String,
        /// What and where, without the file's content.
        fault: Malformed,
    },
    /// Somebody else changes the keyrings of this directory right now.
    #[error("the keyring {path} is being changed by another process: try again")]
    Locked {
        /// Which.
        path: String,
    },
    /// The file system said no.
    #[error("the keyring {path}: {detail}")]
    Io {
        /// Which.
        path: String,
        /// What it said.
        detail: String,
    },
}

/// A keyring file, open.
pub struct LocalKeyring {
    path: PathBuf,
    /// Replaced as a whole by a rotation.
    keys: RwLock<KeySet>,
}

impl LocalKeyring {
    /// Makes a keyring with one fresh key. Refused when the file is there; durable on return.
    pub fn create_new(path: &Path, now: Timestamp) -> Result<Self, LocalKeyringError> {
        let _lock = lock(path)?;
        let keys = KeySet::generate(now);
        let fresh = write_aside(path, &keys)?;
        // A link fails where a rename would overwrite.
        let linked = fs::hard_link(&fresh, path);
        let removed = fs::remove_file(&fresh);
        match linked {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(LocalKeyringError::Exists { path: shown(path) });
            }
            linked => linked.and(removed).and_then(|()| sync_directory(path)).map_err(|error| io(path, &error))?,
        }
        Ok(Self { path: path.to_owned(), keys: RwLock::new(keys) })
    }

    /// Opens a keyring that is there. One that others may read is refused.
    pub fn open(path: &Path) -> Result<Self, LocalKeyringError> {
        Ok(Self { path: path.to_owned(), keys: RwLock::new(load(path)?) })
    }

    /// Adds a version, which wraps from now on; durable on return. Returns its number.
    pub fn rotate(&self, now: Timestamp) -> Result<u32, LocalKeyringError> {
        let _lock = lock(&self.path)?;
        // From the file, not from memory: another process may have rotated.
        let mut keys = load(&self.path)?;
        let full = Malformed::Content("its latest version has the last number that there is");
        let version = keys
            .add_version(now)
            .ok_or_else(|| LocalKeyringError::Malformed { path: shown(&self.path), fault: full })?;
        let fresh = write_aside(&self.path, &keys)?;
        fs::rename(&fresh, &self.path)
            .and_then(|()| sync_directory(&self.path))
            .map_err(|error| io(&self.path, &error))?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(version)
    }

    /// Wraps or unwraps with the keys in memory.
    fn with_keys<T>(&self, work: impl FnOnce(&KeySet) -> T) -> T {
        work(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another process may have rotated: what it wrapped names a version that is only in the file.
    async fn reload(&self) {
        let path = self.path.clone();
        match tokio::task::spawn_blocking(move || load(&path)).await {
            Ok(Ok(keys)) if keys.id() == self.with_keys(KeySet::id) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
            }
            Ok(Ok(_)) => tracing::error!(path = %self.path.display(), "the keyring file was replaced by another one"),
            Ok(Err(error)) => tracing::error!(%error, "the keyring could not be read again"),
            Err(error) => tracing::error!(%error, "reading the keyring broke off"),
        }
    }
}

#[async_trait]
impl Keyring for LocalKeyring {
    fn identity(&self) -> String {
        self.with_keys(|keys| format!("local:{}:{}", hex::encode(keys.id()), keys.name()))
    }

    async fn wrap(&self, context: &[u8; 32], key: &Key32) -> Result<WrappedKey, KeyringError> {
        self.with_keys(|keys| {
            let (version, kek) = keys.latest().ok_or_else(|| refused("it holds no key"))?;
            let bytes = cobblestone::wrap(kek, context, random::bytes(), key).to_vec();
            Ok(WrappedKey { version, bytes })
        })
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<Key32, KeyringError> {
        if self.with_keys(|keys| keys.versions().latest) < wrapped.version {
            self.reload().await;
        }
        self.with_keys(|keys| {
            if wrapped.version < keys.versions().min_decryption {
                return Err(refused("this version of the key is retired"));
            }
            let kek = keys.version(wrapped.version).ok_or_else(|| refused("it has no such version of the key"))?;
            cobblestone::unwrap(kek, context, &wrapped.bytes).ok_or_else(|| {
                refused("the wrapped key is damaged, or was wrapped for another purpose or by another key")
            })
        })
    }

    async fn rewrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<WrappedKey, KeyringError> {
        let key = self.unwrap(context, wrapped).await?;
        self.wrap(context, &key).await
    }

    async fn versions(&self) -> Result<KeyVersions, KeyringError> {
        Ok(self.with_keys(KeySet::versions))
    }
}

fn refused(reason: &str) -> KeyringError {
    KeyringError::Refused { reason: reason.to_owned() }
}

fn load(path: &Path) -> Result<KeySet, LocalKeyringError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(LocalKeyringError::Missing { path: shown(path) });
        }
        Err(error) => return Err(io(path, &error)),
    };
    // Of the open file, not of the name: it cannot be exchanged in between.
    let mode = file.metadata().map_err(|error| io(path, &error))?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(LocalKeyringError::TooOpen { path: shown(path), mode });
    }
    KeySet::read(&mut file).map_err(|fault| LocalKeyringError::Malformed { path: shown(path), fault })
}

/// The keys in a file of its own beside `path`, on disk.
fn write_aside(path: &Path, keys: &KeySet) -> Result<PathBuf, LocalKeyringError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", hex::encode(random::bytes::<8>())));
    let fresh = PathBuf::from(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(keys.to_text().as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| {
        // Half a file with key material is of no use to anybody; if it cannot be removed, the error above says enough.
        let _left = fs::remove_file(&fresh);
        io(path, &error)
    })?;
    Ok(fresh)
}

/// One process at a time changes keyrings in a directory; released when the returned file is dropped.
fn lock(path: &Path) -> Result<File, LocalKeyringError> {
    let directory = File::open(parent(path)).map_err(|error| io(path, &error))?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(directory),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LocalKeyringError::Locked { path: shown(path) }),
        Err(error) => Err(io(path, &error.into())),
    }
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(parent(path))?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn io(path: &Path, error: &std::io::Error) -> LocalKeyringError {
    LocalKeyringError::Io { path: shown(path), detail: error.to_string() }
}

#[cfg(test)]
mod tests;
