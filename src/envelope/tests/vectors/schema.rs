//! What a vector file says. Byte strings are hexadecimal, stored objects base64; README.md beside the vectors explains.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A stored object that opens.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Accepted {
    pub(super) case: String,
    pub(super) says: String,
    pub(super) request: Asked,
    pub(super) dek: String,
    pub(super) plaintext_bytes: u64,
    pub(super) plaintext_sha256: String,
    pub(super) manifest: String,
    pub(super) body_bytes: u64,
    pub(super) stored: String,
    /// Other stored bytes that refused cases take pieces from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) spare: BTreeMap<String, String>,
}

/// Attempts that must be refused.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Refused {
    pub(super) case: String,
    pub(super) says: String,
    pub(super) request: Asked,
    pub(super) attempts: Vec<Attempt>,
}

/// What a reader is asked for, and the keys it has.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) bucket_id: String,
    pub(super) key: String,
    pub(super) domain_keys: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) vault: Vec<VaultKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) footer_id: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) key_id: String,
    pub(super) scheme: u8,
    pub(super) bucket_key: String,
}

/// Vault unwraps `wrap` to `dek` under this context and version, and nothing else.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
pub(super) struct VaultKey {
    pub(super) context: String,
    pub(super) version: u32,
    pub(super) wrap: String,
    pub(super) dek: String,
}

/// One object as the store serves it.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Attempt {
    pub(super) what: String,
    /// The stored object: these pieces, one behind the other.
    pub(super) stored: Vec<Piece>,
    /// Each bit in these bytes of it is flipped, one at a time; each makes an attempt of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flip_each_bit: Option<[usize; 2]>,
    /// What is served when the body is read, where that differs from the stored object's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) served_body: Option<Vec<Piece>>,
    /// The plaintext range that is read; the whole object when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) range: Option<[u64; 2]>,
    /// The step that refuses.
    pub(super) refused_at: String,
    /// How many bytes of (verified) plaintext come out before, and of which accepted case they are the beginning.
    pub(super) verified_bytes: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) verified_of: String,
}

/// A piece of stored bytes.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
#[serde(untagged)]
pub(super) enum Piece {
    /// Bytes `range` of the stored object (or a spare) of an accepted case.
    Of {
        of: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spare: Option<String>,
        range: [usize; 2],
    },
    /// Literal bytes.
    Hex { hex: String },
}
