//! The places on disk, looked at before anything is changed, and held against other processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::StartError;
use crate::base::directory;
use crate::config::{Config, UpstreamKind};

/// What a data directory of `dev` may hold.
const OURS: &[&str] = &["state.db", "index.db", "keyring", "objects"];
/// What an unused directory may hold: mkfs makes one, a first start that broke off leaves the others.
const HARMLESS: &[&str] = &["lost+found", "lock"];

/// Whether this deployment has been started before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// No keyring, no database, no object: all of them are made.
    Fresh,
    /// There is a keyring; whatever belongs to it must be there.
    Existing,
}

/// The places, held as long as this lives.
pub(super) struct Ground {
    pub(super) age: Age,
    /// The keyring for an operator: its file, or its name.
    keyring: String,
    pub(super) state: PathBuf,
    _lock: File,
}

impl Ground {
    /// Looks, locks, and looks again: another process may have been quicker.
    pub(super) fn claim(config: &Config) -> Result<Self, StartError> {
        if let Some(data_dir) = &config.data_dir {
            check_data_dir(data_dir)?;
        }
        let keyring = config.keyring.path();
        let objects: Vec<&Path> = config.upstreams.iter().filter_map(|upstream| directory(&upstream.kind)).collect();
        let state = &config.store.state_path;
        judge(keyring, state, &objects)?;
        let lock = lock(state)?;
        let age = judge(keyring, state, &objects)?;
        Ok(Self { age, keyring: config.keyring.to_string(), state: state.clone(), _lock: lock })
    }

    /// The database as the store wants it named.
    pub(super) fn store_url(&self) -> Result<String, StartError> {
        let odd = || io::Error::new(io::ErrorKind::InvalidFilename, "the path is not UTF-8");
        let path = self.state.to_str().ok_or_else(|| StartError::unusable(&self.state, odd()))?;
        Ok(format!("sqlite:{path}"))
    }

    /// The keyring and the database do not belong together.
    pub(super) fn other_keyring(&self, detail: &str) -> StartError {
        StartError::OtherKeyring { keyring: self.keyring.clone(), state: self.state.clone(), detail: detail.to_owned() }
    }

    /// Whether nothing has been stored in an upstream's directory, or it is not there.
    #[expect(clippy::unused_self, reason = "nobody looks before the ground has been claimed")]
    pub(super) fn is_vacant(&self, objects: &Path) -> Result<bool, StartError> {
        is_vacant(objects)
    }
}

fn directory(kind: &UpstreamKind) -> Option<&Path> {
    match kind {
        UpstreamKind::Local { path } => Some(path),
        UpstreamKind::S3(_) => None,
    }
}

/// A directory that is somebody else's is not moved into.
fn check_data_dir(path: &Path) -> Result<(), StartError> {
    let mut names = Vec::new();
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(|error| StartError::unusable(path, error))?.file_name();
                names.push(name.to_string_lossy().into_owned());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StartError::unusable(path, error)),
    }
    let is_ours = |name: &str| OURS.iter().any(|ours| name == *ours || name.starts_with(&format!("{ours}.")));
    let foreign = names.iter().find(|name| !is_ours(name) && !HARMLESS.contains(&name.as_str()));
    match foreign {
        // Beside our own files a note or a backup does no harm.
        Some(found) if !names.iter().any(|name| is_ours(name)) => {
            Err(StartError::Foreign { path: path.to_owned(), found: found.clone() })
        }
        _ => Ok(()),
    }
}

/// Keyring, database and objects belong together: all of them are there, or none. (What an S3 service holds is looked
/// at when it is claimed; a keyring that is no file, when the state key is opened.)
fn judge(keyring: Option<&Path>, state: &Path, objects: &[&Path]) -> Result<Age, StartError> {
    let has_state = has_content(state)?;
    let mut occupied = None;
    for directory in objects {
        if !is_vacant(directory)? {
            occupied = Some(*directory);
            break;
        }
    }
    let Some(keyring) = keyring else {
        return match (has_state, occupied) {
            (false, Some(objects)) => {
                Err(StartError::StateMissing { state: state.to_owned(), objects: objects.to_owned() })
            }
            (false, None) => Ok(Age::Fresh),
            (true, _) => Ok(Age::Existing),
        };
    };
    let has_keyring = fs::exists(keyring).map_err(|error| StartError::unusable(keyring, error))?;
    let missing = |data: &Path| StartError::KeyringMissing { keyring: keyring.to_owned(), data: data.to_owned() };
    match (has_keyring, has_state, occupied) {
        (false, true, _) => Err(missing(state)),
        (false, false, Some(objects)) => Err(missing(objects)),
        (false, false, None) => Ok(Age::Fresh),
        (true, false, Some(objects)) => {
            Err(StartError::StateMissing { state: state.to_owned(), objects: objects.to_owned() })
        }
        // The keyring is made first: a first start that broke off after it goes on here.
        (true, true | false, _) => Ok(Age::Existing),
    }
}

/// Whether a file is there and not empty (the database is made as an empty file).
fn has_content(path: &Path) -> Result<bool, StartError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StartError::unusable(path, error)),
    }
}

/// Whether a directory holds nothing, or is not there.
pub(super) fn is_vacant(path: &Path) -> Result<bool, StartError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(StartError::unusable(path, error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| StartError::unusable(path, error))?.file_name();
        if !HARMLESS.contains(&&*name.to_string_lossy()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a directory, and those above it, that only its owner may enter.
pub(super) fn make_dir(path: &Path) -> Result<(), StartError> {
    directory::make_private(path).map_err(|error| StartError::unusable(path, error))
}

/// One process per database: the caches of two would contradict each other. The file stays; the lock goes with us.
fn lock(state: &Path) -> Result<File, StartError> {
    let mut path = state.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_dir(parent)?;
        let all = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        let allowed = rustix::fs::access(parent, all);
        allowed.map_err(|errno| StartError::unusable(parent, errno.into()))?;
    }
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| StartError::unusable(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: state.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StartError::unusable(&path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        dir
    }

    fn judged(files: &[&str]) -> Result<Age, StartError> {
        let dir = made(files);
        let at = |name: &str| dir.path().join(name);
        judge(Some(&at("keyring")), &at("state.db"), &[&at("other"), &at("objects")])
    }

    #[test]
    fn keyring_database_and_objects_belong_together() {
        assert!(matches!(judged(&[]), Ok(Age::Fresh)));
        assert!(matches!(judged(&["keyring"]), Ok(Age::Existing)));
        assert!(matches!(judged(&["keyring", "state.db"]), Ok(Age::Existing)));
        assert!(matches!(judged(&["keyring", "state.db", "objects/names.db"]), Ok(Age::Existing)));
        assert!(matches!(judged(&["state.db"]), Err(StartError::KeyringMissing { .. })));
        assert!(matches!(judged(&["objects/names.db"]), Err(StartError::KeyringMissing { .. })));
        assert!(matches!(judged(&["keyring", "objects/names.db"]), Err(StartError::StateMissing { .. })));
    }

    #[test]
    fn without_a_keyring_file_database_and_objects_belong_together() {
        let judged = |files: &[&str]| {
            let dir = made(files);
            let at = |name: &str| dir.path().join(name);
            judge(None, &at("state.db"), &[&at("objects")])
        };
        assert!(matches!(judged(&[]), Ok(Age::Fresh)));
        assert!(matches!(judged(&["state.db"]), Ok(Age::Existing)));
        assert!(matches!(judged(&["state.db", "objects/names.db"]), Ok(Age::Existing)));
        assert!(matches!(judged(&["objects/names.db"]), Err(StartError::StateMissing { .. })));
    }

    #[test]
    fn directory_of_somebody_else_is_refused() {
        assert!(matches!(check_data_dir(made(&["thesis.tex"]).path()), Err(StartError::Foreign { .. })));
        assert!(check_data_dir(made(&["state.db", "README"]).path()).is_ok());
        assert!(check_data_dir(made(&["state.db.lock"]).path()).is_ok());
        assert!(check_data_dir(made(&[]).path()).is_ok());
        assert!(matches!(check_data_dir(&made(&["file"]).path().join("file")), Err(StartError::Unusable { .. })));
    }

    #[test]
    fn second_process_finds_the_lock_taken() {
        let dir = made(&[]);
        let state = dir.path().join("new/state.db");
        let held = lock(&state).unwrap();
        assert!(matches!(lock(&state), Err(StartError::InUse { .. })));
        drop(held);
        assert!(lock(&state).is_ok());
    }
}
