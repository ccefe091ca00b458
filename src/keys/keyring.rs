//! The keyring: what holds the key-encryption key (KEK) and never gives it away.
//!
//! The trait has the shape of Vault Transit with derived keys: 32-byte contexts, numbered versions, rewrapping without
//! showing the plaintext. A local file implements it for development and small sites.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::Key32;

/// A key wrapped by the KEK. Ordinary data: worthless without the keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The version of the KEK that wrapped it.
    pub version: u32,
    /// The wrap, in the keyring's own form.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(v{}, {} bytes)", self.version, self.bytes.len())
    }
}

/// Which versions of the KEK there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyVersions {
    /// The one that wraps now.
    pub latest: u32,
    /// The oldest one that still unwraps.
    pub min_decryption: u32,
}

/// Why the keyring did not answer with a key. Texts are for the log and hold no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyringError {
    /// Unreachable, sealed, overloaded: the same call may succeed later. Clients get 503 with Retry-After.
    #[error("the keyring is unavailable: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// It answered and will not do it: a wrap of another key or context, a version that is too old, no permission.
    #[error("the keyring refused: {reason}")]
    Refused {
        /// What was seen.
        reason: String,
    },
}

/// A KEK that wraps 32-byte keys. `context` binds a wrap to its purpose: unwrapping needs the same one.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// Names this keyring and key in the database, so that another one is noticed at start. Not secret.
    fn identity(&self) -> String;
    /// Wraps `key` with the latest version.
    async fn wrap(&self, context: &[u8; 32], key: &Key32) -> Result<WrappedKey, KeyringError>;
    /// Unwraps; [`KeyringError::Refused`] when the wrap, the context or the KEK is another one.
    async fn unwrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<Key32, KeyringError>;
    /// Wraps the same key with the latest version.
    async fn rewrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<WrappedKey, KeyringError>;
    /// Which versions there are.
    async fn versions(&self) -> Result<KeyVersions, KeyringError>;
    /// How often which kind of fault was seen since the start, one word each: for /metrics.
    fn faults(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
