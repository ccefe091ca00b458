//! The keyring on HashiCorp Vault's Transit engine; OpenBao speaks the same API.
//!
//! The KEK is a Transit key that is `derived`: every call names its context, and the key that wraps is derived from it in
//! Vault. Never `associated_data`: Vault's rewrap does not take it, so such wraps could never be rotated without showing
//! what is in them. (Vault: API docs, secret/transit.)

mod auth;
mod breaker;
mod fault;
mod session;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vaultrs::api::transit::requests::{DecryptDataRequest, EncryptDataRequest, RewrapDataRequest};
use vaultrs::api::transit::responses::{ReadKeyData, ReadKeyResponse};
use vaultrs::transit;
use zeroize::Zeroizing;

use self::session::Sessions;
use super::keyring::{KeyVersions, Keyring, KeyringError, WrappedKey};
use crate::base::Key32;

pub use auth::{SecretSource, VaultAuth};
pub use fault::VaultFault;

/// Where Vault is, which key is ours, and who we are there.
pub struct VaultSettings {
    /// `https://host:port`; `http` only on loopback.
    pub address: String,
    /// The namespace of Vault Enterprise and OpenBao.
    pub namespace: Option<String>,
    /// Where the Transit engine is mounted.
    pub mount: String,
    /// The Transit key: one serves one deployment.
    pub key: String,
    /// Who signed the server's certificate, where the machine does not know them.
    pub ca_file: Option<PathBuf>,
    /// How we log in.
    pub auth: VaultAuth,
}

impl VaultSettings {
    /// Where Transit is mounted unless said otherwise.
    pub const DEFAULT_MOUNT: &'static str = "transit";

    /// The Transit key's name, by which a database knows it. Without the address: Vault may move.
    pub fn identity(&self) -> String {
        let namespace = self.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
        format!("vault:{namespace}{}/{}", self.mount, self.key)
    }

    /// Whether this can be an address.
    ///
    /// # Errors
    /// What it must be.
    pub fn check_address(address: &str) -> Result<(), String> {
        session::check_address(address)
    }

    /// Whether a mount, key or role can stand in a path as it is: vaultrs does not encode them.
    pub fn is_name(name: &str) -> bool {
        let sound = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        name.len() <= 256 && name.split('/').all(sound)
    }
}

/// A Transit key as the KEK.
pub struct VaultKeyring {
    sessions: Sessions,
    mount: String,
    key: String,
    identity: String,
}

impl VaultKeyring {
    /// Logs in and looks at the key. Starts the task that renews the token: needs a runtime.
    ///
    /// # Errors
    /// Vault cannot be asked, the login is refused, or the key is not one that can wrap ours.
    pub async fn open(settings: VaultSettings) -> Result<Self, VaultFault> {
        let (mount, key, identity) = (settings.mount.clone(), settings.key.clone(), settings.identity());
        let keyring = Self { sessions: Sessions::open(settings)?, mount, key, identity };
        let found = keyring.read_key().await?;
        if !found.derived || !found.supports_encryption || !found.supports_decryption {
            return Err(VaultFault::UnfitKey(
                "it must be made with derived=true, of a type that encrypts: vault write -f MOUNT/keys/KEY derived=true",
            ));
        }
        if found.exportable || found.allow_plaintext_backup {
            tracing::warn!(key = %keyring.identity, "the Transit key can be exported or backed up in the clear");
        }
        Ok(keyring)
    }

    async fn read_key(&self) -> Result<ReadKeyResponse, VaultFault> {
        self.sessions
            .call(|session| Box::pin(async move { transit::key::read(&*session, &self.mount, &self.key).await }))
            .await
    }
}

#[async_trait]
impl Keyring for VaultKeyring {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn wrap(&self, context: &[u8; 32], key: &Key32) -> Result<WrappedKey, KeyringError> {
        let plaintext = &*Zeroizing::new(STANDARD.encode(key.expose()));
        let context = &STANDARD.encode(context);
        let wrapped = self.sessions.call(|session| {
            Box::pin(async move {
                let mut options = EncryptDataRequest::builder();
                options.context(context.as_str());
                transit::data::encrypt(&*session, &self.mount, &self.key, plaintext, Some(&mut options)).await
            })
        });
        wrapped_key(wrapped.await?.ciphertext)
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<Key32, KeyringError> {
        let ciphertext = ciphertext(wrapped)?;
        let context = &STANDARD.encode(context);
        let opened = self.sessions.call(|session| {
            Box::pin(async move {
                let mut options = DecryptDataRequest::builder();
                options.context(context.as_str());
                transit::data::decrypt(&*session, &self.mount, &self.key, ciphertext, Some(&mut options)).await
            })
        });
        let plaintext = Zeroizing::new(opened.await?.plaintext);
        let bytes = Zeroizing::new(STANDARD.decode(plaintext.as_bytes()).map_err(|_| VaultFault::OddAnswer)?);
        Ok(Key32::from_slice(&bytes).ok_or(VaultFault::OddAnswer)?)
    }

    async fn rewrap(&self, context: &[u8; 32], wrapped: &WrappedKey) -> Result<WrappedKey, KeyringError> {
        let ciphertext = ciphertext(wrapped)?;
        let context = &STANDARD.encode(context);
        let rewrapped = self.sessions.call(|session| {
            Box::pin(async move {
                let mut options = RewrapDataRequest::builder();
                options.context(context.as_str());
                transit::data::rewrap(&*session, &self.mount, &self.key, ciphertext, Some(&mut options)).await
            })
        });
        wrapped_key(rewrapped.await?.ciphertext)
    }

    async fn versions(&self) -> Result<KeyVersions, KeyringError> {
        let found = self.read_key().await?;
        let numbers: Vec<u32> = match &found.keys {
            ReadKeyData::Symmetric(keys) => keys.keys().filter_map(|number| number.parse().ok()).collect(),
            ReadKeyData::Asymmetric(_) => Vec::new(),
        };
        let latest = numbers.into_iter().max().ok_or(VaultFault::OddAnswer)?;
        let min_decryption = u32::try_from(found.min_decryption_version).map_err(|_| VaultFault::OddAnswer)?;
        Ok(KeyVersions { latest, min_decryption })
    }

    fn faults(&self) -> Vec<(&'static str, u64)> {
        self.sessions.faults()
    }
}

/// `vault:vN:...` with its N; the prefix can be configured, the version and the colons stay.
fn wrapped_key(ciphertext: String) -> Result<WrappedKey, KeyringError> {
    let version = ciphertext
        .rsplit(':')
        .nth(1)
        .and_then(|number| number.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok());
    let version = version.filter(|version| *version > 0).ok_or(VaultFault::OddAnswer)?;
    Ok(WrappedKey { version, bytes: ciphertext.into_bytes() })
}

fn ciphertext(wrapped: &WrappedKey) -> Result<&str, KeyringError> {
    let refused = || KeyringError::Refused { reason: "a wrap that is not Vault's".to_owned() };
    std::str::from_utf8(&wrapped.bytes).map_err(|_| refused())
}
