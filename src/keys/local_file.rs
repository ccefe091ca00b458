//! The form of a keyring file: TOML that an operator can look at and a backup can hold.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::keyring::KeyVersions;
use crate::base::{Key32, Timestamp, random};

/// A keyring of a thousand versions has about 100 KiB; more is not one of ours.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The form that this program writes and reads.
const FORMAT: u32 = 1;

/// What the first key is called.
const NAME: &str = "crypt-keeper";

/// Numbers rise by one with each rotation, from 1; a hand that edits the file must not make the next one impossible to
/// write down.
const MAX_VERSION: u32 = 1_000_000;

/// What is wrong with a file: where, and never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not the TOML that we write, from this line on.
    Line(usize),
    /// Written by a newer version of this program.
    Format(u32),
    /// A key, a version or an id that breaks the rules.
    Content(&'static str),
    /// It could not be read to its end.
    Unreadable(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} is not as it should be"),
            Self::Format(format) => write!(f, "format {format} is unknown to this version"),
            Self::Content(what) => f.write_str(what),
            Self::Unreadable(detail) => f.write_str(detail),
        }
    }
}

/// The key that a keyring wraps with, in all its versions.
pub(super) struct KeySet {
    id: [u8; 16],
    name: String,
    min_decryption: u32,
    versions: BTreeMap<u32, Version>,
}

struct Version {
    created: Timestamp,
    key: Key32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: u32,
    id: String,
    key: Vec<RawKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    name: String,
    min_decryption: u32,
    version: Vec<RawVersion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVersion {
    number: u32,
    created: i64,
    #[serde(deserialize_with = "zeroizing")]
    material: Zeroizing<String>,
}

fn zeroizing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl KeySet {
    /// A new keyring with one key of one version.
    pub(super) fn generate(now: Timestamp) -> Self {
        let first = Version { created: now, key: Key32::generate() };
        Self { id: random::bytes(), name: NAME.to_owned(), min_decryption: 1, versions: BTreeMap::from([(1, first)]) }
    }

    /// Adds a fresh version and returns its number; `None` when there can be no further one.
    pub(super) fn add_version(&mut self, now: Timestamp) -> Option<u32> {
        let number = self.versions().latest.checked_add(1).filter(|number| *number <= MAX_VERSION)?;
        self.versions.insert(number, Version { created: now, key: Key32::generate() });
        Some(number)
    }

    pub(super) const fn id(&self) -> [u8; 16] {
        self.id
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn latest(&self) -> Option<(u32, &Key32)> {
        self.versions.last_key_value().map(|(number, version)| (*number, &version.key))
    }

    pub(super) fn version(&self, number: u32) -> Option<&Key32> {
        self.versions.get(&number).map(|version| &version.key)
    }

    pub(super) fn versions(&self) -> KeyVersions {
        let latest = self.versions.last_key_value().map_or(0, |(number, _)| *number);
        KeyVersions { latest, min_decryption: self.min_decryption }
    }

    pub(super) fn read(file: &mut impl Read) -> Result<Self, Malformed> {
        let mut text = Zeroizing::new(String::new());
        let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
        read.map_err(|error| Malformed::Unreadable(error.to_string()))?;
        let raw: RawFile = toml::from_str(&text).map_err(|error| {
            // toml's own words quote the line, and with it the key.
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            Malformed::Line(text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1)
        })?;
        Self::from_raw(raw)
    }

    fn from_raw(raw: RawFile) -> Result<Self, Malformed> {
        if raw.format != FORMAT {
            return Err(Malformed::Format(raw.format));
        }
        let mut id = [0; 16];
        hex::decode_to_slice(&raw.id, &mut id).map_err(|_| Malformed::Content("its id is not 32 hex digits"))?;
        // The form has room for several keys, as the Vault has; who wraps with which comes with the second one.
        let mut keys = raw.key.into_iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(Malformed::Content("it must hold exactly one key"));
        };
        // It is written again by a rotation, between quotes.
        if !key.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return Err(Malformed::Content(
                "the key's name has other characters than letters, digits, '-', '_' and '.'",
            ));
        }
        let mut versions = BTreeMap::new();
        for version in key.version {
            let material = Zeroizing::new(BASE64.decode(version.material.as_bytes()).unwrap_or_default());
            let material = Key32::from_slice(&material).ok_or(Malformed::Content("a key is not 32 bytes in base64"))?;
            let created = Timestamp::from_unix_millis(version.created);
            if !(1..=MAX_VERSION).contains(&version.number) {
                return Err(Malformed::Content("a version's number is not from 1 to 1000000"));
            }
            if versions.insert(version.number, Version { created, key: material }).is_some() {
                return Err(Malformed::Content("a version is there twice"));
            }
        }
        if !versions.contains_key(&key.min_decryption) {
            return Err(Malformed::Content("min_decryption names a version that is not there"));
        }
        Ok(Self { id, name: key.name, min_decryption: key.min_decryption, versions })
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512 + 128 * self.versions.len()));
        let mut put = |piece: &str| text.push_str(piece);
        put("# Crypt-Keeper keyring. It opens every stored object: keep it readable by its owner only,\n");
        put("# and keep a backup of it apart from the objects. Without it they are lost.\n");
        put(&format!("format = {FORMAT}\nid = \"{}\"\n\n", hex::encode(self.id)));
        put(&format!("[[key]]\nname = \"{}\"\nmin_decryption = {}\n", self.name, self.min_decryption));
        for (number, version) in &self.versions {
            let material = Zeroizing::new(BASE64.encode(version.key.expose()));
            put(&format!("\n[[key.version]]\nnumber = {number}\ncreated = {}\n", version.created.unix_millis()));
            put("material = \"");
            put(&material);
            put("\"\n");
        }
        text
    }
}
