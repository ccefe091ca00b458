//! What can go wrong with keys, sorted by what the client is told and who must act.

use std::time::Duration;

use super::keyring::KeyringError;
use crate::base::KeyId;

/// Why there is no key. Texts are for the log and hold no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeysError {
    /// The keyring or the records of keys cannot be asked now: 503 with Retry-After.
    #[error("keys are unavailable: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The keyring will not do it: an operator must act.
    #[error("{reason}")]
    Refused {
        /// What was seen.
        reason: String,
    },
    /// No bucket key of this id: shredded, or an object of another deployment.
    #[error("there is no bucket key {0}")]
    NoSuchKey(KeyId),
    /// A bucket key of another key domain: the object was put here from elsewhere.
    #[error("bucket key {0} belongs to another key domain")]
    WrongDomain(KeyId),
    /// The database was written with another keyring.
    #[error("the keyring is {found}, but the keys in the database are wrapped by {expected}: configure that one")]
    OtherKeyring {
        /// What the database names.
        expected: String,
        /// What is configured.
        found: String,
    },
    /// Wrapped or sealed bytes that do not open: damaged, edited, or moved from another place.
    #[error("{0} does not open")]
    Integrity(&'static str),
}

impl KeysError {
    /// Whether asking again cannot help: the key is gone for good, or what it should open is damaged or foreign. What the
    /// keyring or an operator may still set right is not lasting.
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::NoSuchKey(_) | Self::WrongDomain(_) | Self::Integrity(_) => true,
            Self::Unavailable { .. } | Self::Refused { .. } | Self::OtherKeyring { .. } => false,
        }
    }
}

impl From<KeyringError> for KeysError {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Unavailable { reason, retry_after } => Self::Unavailable { reason, retry_after },
            refused @ KeyringError::Refused { .. } => Self::Refused { reason: refused.to_string() },
        }
    }
}
