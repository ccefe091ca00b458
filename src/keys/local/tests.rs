//! Keyring files on a real file system.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{LocalKeyring, LocalKeyringError};
use crate::base::{Key32, Timestamp};
use crate::keys::{Keyring, KeyringError, WrappedKey};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keyring.toml")
    }

    fn made() -> (Self, LocalKeyring) {
        let place = Self::new();
        let keyring = LocalKeyring::create_new(&place.path(), NOW).expect("is made");
        (place, keyring)
    }

    /// What opening says about this content.
    fn fault(content: &str) -> String {
        let place = Self::new();
        fs::write(place.path(), content).expect("is written");
        fs::set_permissions(place.path(), Permissions::from_mode(0o600)).expect("is set");
        LocalKeyring::open(&place.path()).err().expect("is refused").to_string()
    }
}

async fn wrapped(keyring: &LocalKeyring) -> WrappedKey {
    keyring.wrap(&[1; 32], &Key32::new([2; 32])).await.expect("wraps")
}

async fn opens(keyring: &LocalKeyring, wrapped: &WrappedKey) -> bool {
    keyring.unwrap(&[1; 32], wrapped).await.is_ok_and(|key| key.same_as(&Key32::new([2; 32])))
}

#[tokio::test]
async fn the_same_after_a_restart() {
    let (place, keyring) = Place::made();
    assert_eq!(fs::metadata(place.path()).expect("is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.0.path()).expect("is readable").count(), 1, "nothing is left beside it");
    let wrap = wrapped(&keyring).await;
    let again = LocalKeyring::open(&place.path()).expect("opens");
    assert_eq!(again.identity(), keyring.identity());
    assert!(opens(&again, &wrap).await);
}

#[tokio::test]
async fn a_rotation_wraps_anew_and_opens_the_old() {
    let (place, keyring) = Place::made();
    let old = wrapped(&keyring).await;
    assert_eq!(keyring.rotate(NOW).expect("rotates"), 2);
    let versions = keyring.versions().await.expect("answers");
    assert_eq!((versions.latest, versions.min_decryption), (2, 1));
    assert!(opens(&keyring, &old).await);
    let new = keyring.rewrap(&[1; 32], &old).await.expect("rewraps");
    assert_eq!((old.version, new.version), (1, 2));
    let again = LocalKeyring::open(&place.path()).expect("opens");
    assert!(opens(&again, &old).await && opens(&again, &new).await);
    assert_eq!(fs::metadata(place.path()).expect("is there").permissions().mode() & 0o777, 0o600);
}

/// An operator rotates on the command line while a proxy runs.
#[tokio::test]
async fn a_rotation_by_another_process_is_noticed() {
    let (place, running) = Place::made();
    let other = LocalKeyring::open(&place.path()).expect("opens");
    other.rotate(NOW).expect("rotates");
    assert!(opens(&running, &wrapped(&other).await).await);
    assert_eq!(running.rotate(NOW).expect("rotates"), 3, "no version is lost");
}

#[tokio::test]
async fn unwraps_only_what_it_wrapped() {
    let (_place, keyring) = Place::made();
    let (_elsewhere, other) = Place::made();
    assert_ne!(keyring.identity(), other.identity());
    let wrap = wrapped(&keyring).await;
    let refused = |result: Result<Key32, KeyringError>| matches!(result, Err(KeyringError::Refused { .. }));
    assert!(refused(keyring.unwrap(&[9; 32], &wrap).await), "another context");
    assert!(refused(other.unwrap(&[1; 32], &wrap).await), "another keyring");
    assert!(refused(keyring.unwrap(&[1; 32], &WrappedKey { version: 2, ..wrap.clone() }).await), "no such version");
    assert!(refused(keyring.unwrap(&[1; 32], &WrappedKey { version: 0, ..wrap.clone() }).await), "a retired version");
    for at in 0..wrap.bytes.len() {
        let mut edited = wrap.clone();
        edited.bytes[at] ^= 1;
        assert!(refused(keyring.unwrap(&[1; 32], &edited).await), "byte {at}");
    }
}

#[test]
fn never_overwritten() {
    let (place, _keyring) = Place::made();
    let before = fs::read(place.path()).expect("is readable");
    let again = LocalKeyring::create_new(&place.path(), NOW);
    assert!(matches!(again, Err(LocalKeyringError::Exists { .. })));
    assert_eq!(fs::read(place.path()).expect("is readable"), before);
    assert_eq!(fs::read_dir(place.0.path()).expect("is readable").count(), 1, "nothing is left beside it");
}

#[test]
fn missing() {
    let place = Place::new();
    let error = LocalKeyring::open(&place.path()).err().expect("is refused");
    assert!(matches!(error, LocalKeyringError::Missing { .. }));
    assert!(!place.path().exists(), "opening makes nothing");
    assert!(LocalKeyring::create_new(&place.path().join("no/such"), NOW).is_err());
}

#[test]
fn too_open() {
    let (place, _keyring) = Place::made();
    for mode in [0o640, 0o604, 0o620, 0o610, 0o644, 0o666, 0o777] {
        fs::set_permissions(place.path(), Permissions::from_mode(mode)).expect("is set");
        let error = LocalKeyring::open(&place.path()).err().expect("is refused");
        assert!(matches!(error, LocalKeyringError::TooOpen { mode: found, .. } if found == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"));
        assert_eq!(error.to_string().lines().count(), 1);
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(place.path(), Permissions::from_mode(mode)).expect("is set");
        assert!(LocalKeyring::open(&place.path()).is_ok());
    }
}

/// A rotation never writes what the next start would refuse.
#[test]
fn after_the_last_number_there_is_no_rotation() {
    let (place, keyring) = Place::made();
    let good = fs::read_to_string(place.path()).expect("is readable");
    for (latest, rotates) in [(999_999, true), (1_000_000, false)] {
        let text = good.replace("= 1\n", &format!("= {latest}\n")).replace("format = 999999", "format = 1");
        let text = text.replace("format = 1000000", "format = 1");
        fs::write(place.path(), text).expect("is written");
        assert_eq!(keyring.rotate(NOW).ok(), rotates.then_some(1_000_000));
        assert!(LocalKeyring::open(&place.path()).is_ok());
    }
}

/// Every fault is one line that names the file and shows nothing of the keys in it.
#[test]
fn malformed() {
    let (place, _keyring) = Place::made();
    let good = fs::read_to_string(place.path()).expect("is readable");
    let material = good.split("material = \"").nth(1).expect("is there").trim_end().trim_end_matches('"').to_owned();
    let id = good.split("id = \"").nth(1).expect("is there").split('"').next().expect("is there").to_owned();
    let cases = [
        String::new(),
        "garbage".to_owned(),
        good.replace("format = 1", "format = 2"),
        good.replace("material = ", "materials = "),
        good.replace(&material, "AAAA"),
        good.replace(&material, &format!("{material}\\q")),
        // The key where a number belongs: serde would quote it.
        good.replace("number = 1", &format!("number = \"{material}\"")),
        good.replace("number = 1", "number = 0"),
        good.replace("number = 1", "number = 4294967295"),
        good.replace("name = \"crypt-keeper\"", "name = '''it's'''"),
        good.replace("name = \"crypt-keeper\"", "name = \"schl\u{fc}ssel\""),
        good.replace("min_decryption = 1", "min_decryption = 7"),
        good.replace(&id, "xyz"),
        good[..good.len() - 20].to_owned(),
        good.replace("[[key]]", "[[key]]\nname = \"x\"\nmin_decryption = 1\nversion = []\n[[key]]"),
    ];
    for case in cases {
        assert_ne!(case, good, "a case that changes nothing");
        let fault = Place::fault(&case);
        assert!(!fault.contains(&material[..8]), "{fault}");
        assert_eq!(fault.lines().count(), 1, "{fault}");
        assert!(fault.contains("keyring.toml"), "{fault}");
    }
}
