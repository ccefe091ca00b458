//! Derived signing keys in memory: deriving costs four HMACs, verifying one.

use std::time::Duration;

use moka::future::Cache;

use crate::base::SecretText;
use crate::base::secret::Fingerprint;
use crate::sigv4::{Credential, SigningKey};

/// One entry per access key, day and region in use; a few hundred bytes each.
const MAX_ENTRIES: u64 = 4096;
/// A key that nobody used for so long leaves memory.
const IDLE: Duration = Duration::from_secs(3600);

/// A signing key, and which secret it came from: an access key whose secret was changed misses.
#[derive(Clone)]
struct Entry {
    fingerprint: std::sync::Arc<Fingerprint>,
    key: SigningKey,
}

/// Keyed by the credential's text. Only keys that verified a request come in: nobody without a secret can fill it.
pub(super) struct SigningKeys(Cache<String, Entry>);

impl SigningKeys {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_ENTRIES).time_to_idle(IDLE).build())
    }

    /// The key that was remembered for this credential and this very secret.
    pub(super) async fn get(&self, credential: &Credential, secret: &SecretText) -> Option<SigningKey> {
        let entry = self.0.get(&credential.to_string()).await?;
        (*entry.fingerprint == secret.fingerprint()).then_some(entry.key)
    }

    pub(super) async fn remember(&self, credential: &Credential, secret: &SecretText, key: SigningKey) {
        let entry = Entry { fingerprint: secret.fingerprint().into(), key };
        self.0.insert(credential.to_string(), entry).await;
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.0.entry_count()
    }

    /// Drops what has expired.
    pub(super) async fn expire(&self) {
        self.0.run_pending_tasks().await;
    }
}
