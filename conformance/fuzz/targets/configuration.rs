//! Files that an operator writes, and the keyring file.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crypt_keeper::base::Timestamp;
use crypt_keeper::config::Config;
use crypt_keeper::keys::LocalKeyring;

use super::Outcome;

/// Where files cost nothing, where there is such a place.
const MEMORY: &str = "/dev/shm";

thread_local! {
    static DIRECTORY: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// Runs `work` on a file of this content.
fn with_file<T>(name: &str, content: &[u8], work: impl FnOnce(&Path) -> T) -> T {
    DIRECTORY.with_borrow_mut(|directory| {
        let directory = directory
            .get_or_insert_with(|| tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir()).expect("a directory"));
        let path = directory.path().join(name);
        fs::write(&path, content).expect("a file");
        work(&path)
    })
}

/// A configuration: every fault has a place in the file, and no secret shows.
pub(super) fn config(input: &[u8]) -> Outcome {
    let env = |name: &str| (name == "SECRET").then(|| OsString::from("correct horse"));
    let loaded = with_file("crypt-keeper.toml", input, |path| Config::load(path, &env));
    let shown = match &loaded {
        Ok(config) => format!("{config:?}"),
        Err(faults) => {
            assert!(!faults.faults.is_empty(), "refused without a reason");
            let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(faults.faults.iter().all(|fault| fault.line <= lines), "{faults}");
            faults.to_string()
        }
    };
    // It may stand in the input itself.
    let secret = "correct horse";
    assert!(!shown.contains(secret) || input.windows(secret.len()).any(|text| text == secret.as_bytes()));
    loaded.is_ok().into()
}

/// A keyring file: one that is read can be rotated, or says that it cannot; either way it is read again.
pub(super) fn keyring(input: &[u8]) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    with_file("keyring", input, |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
        let Ok(keyring) = LocalKeyring::open(path) else { return Outcome::Refused };
        let rotated = keyring.rotate(Timestamp::from_unix_seconds(1)).is_ok();
        drop(LocalKeyring::open(path).expect("what was written is read"));
        rotated.into()
    })
}
