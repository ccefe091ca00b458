//! Keys: the keyring that holds the KEK, bucket keys and DEKs wrapped beneath it, and the caches of what was unwrapped.

pub mod keyring;

pub use keyring::{KeyVersions, Keyring, KeyringError, WrappedKey};
