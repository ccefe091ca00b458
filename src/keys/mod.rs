//! Keys: the keyring that holds the KEK, bucket keys and DEKs wrapped beneath it, and the caches of what was unwrapped.
//!
//! ```text
//! KEK          in the keyring, never here        [`Keyring`], [`LocalKeyring`]
//!  ├ state key    seals secrets in the database     [`StateKey`]
//!  └ bucket key   one per key domain and epoch      [`BucketKeys`]
//!     └ DEK          one per body, in its trailer      [`BucketKeys::new_dek`], [`BucketKeys::open_dek`]
//! ```

mod bucket_keys;
mod cache;
#[cfg(test)]
pub(crate) mod doubles;
mod error;
pub mod keyring;
mod local;
mod local_file;
mod records;
mod state_key;
mod vault;

pub use bucket_keys::{BucketKey, BucketKeys, KeyCounters, UnwrappedDek};
pub use cache::CacheLimits;
pub use error::KeysError;
pub use keyring::{KeyVersions, Keyring, KeyringError, WrappedKey};
pub use local::{LocalKeyring, LocalKeyringError};
pub use local_file::Malformed;
pub use records::{BucketKeyRecord, BucketKeyRecords, Inserted, RecordsError};
pub use state_key::StateKey;
pub use vault::{SecretSource, VaultAuth, VaultFault, VaultKeyring, VaultSettings};
