//! The state key: seals secrets that the database holds. Wrapped by the KEK, so that the database alone opens nothing.

use super::error::KeysError;
use super::keyring::{Keyring, WrappedKey};
use crate::base::{Key32, SecretText, random};
use crate::envelope::context::state_key_context;
use crate::envelope::{open_record, seal_record};

/// The state key, unwrapped.
pub struct StateKey(Key32);

impl StateKey {
    /// Makes the key of a new deployment. The caller stores the wrap, durably, before the key's first use.
    pub async fn create(keyring: &dyn Keyring, deployment_id: &[u8; 16]) -> Result<(Self, WrappedKey), KeysError> {
        let key = Key32::generate();
        let wrapped = keyring.wrap(&state_key_context(deployment_id), &key).await?;
        Ok((Self(key), wrapped))
    }

    /// Unwraps the key of a deployment. `recorded_keyring` is the identity that its database names: another keyring is
    /// told apart from a damaged wrap, and never asked.
    pub async fn open(
        keyring: &dyn Keyring,
        recorded_keyring: &str,
        deployment_id: &[u8; 16],
        wrapped: &WrappedKey,
    ) -> Result<Self, KeysError> {
        same_keyring(keyring, recorded_keyring)?;
        Ok(Self(keyring.unwrap(&state_key_context(deployment_id), wrapped).await?))
    }

    /// The same key, wrapped by the KEK's latest version.
    pub async fn rewrap(
        keyring: &dyn Keyring,
        deployment_id: &[u8; 16],
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, KeysError> {
        Ok(keyring.rewrap(&state_key_context(deployment_id), wrapped).await?)
    }

    /// Seals an access key's secret for its row.
    pub fn seal_secret(&self, access_key_id: &str, secret: &SecretText) -> Vec<u8> {
        seal_record(&self.0, &context(access_key_id), random::bytes(), secret.expose().as_bytes())
    }

    /// Opens an access key's secret; a row of another access key does not open.
    pub fn open_secret(&self, access_key_id: &str, sealed: &[u8]) -> Result<SecretText, KeysError> {
        const WHAT: KeysError = KeysError::Integrity("the sealed secret of an access key");
        let opened = open_record(&self.0, &context(access_key_id), sealed).map_err(|_| WHAT)?;
        std::str::from_utf8(&opened).map(|secret| SecretText::new(secret.to_owned())).map_err(|_| WHAT)
    }
}

/// Names table and row, so that neither another row nor another kind of record opens here.
fn context(access_key_id: &str) -> Vec<u8> {
    [b"crypt-keeper.v1 access-key\0", access_key_id.as_bytes()].concat()
}

/// Refuses a keyring that is not the one which wrapped what the database holds.
pub(super) fn same_keyring(keyring: &dyn Keyring, recorded: &str) -> Result<(), KeysError> {
    let found = keyring.identity();
    if found == recorded { Ok(()) } else { Err(KeysError::OtherKeyring { expected: recorded.to_owned(), found }) }
}

#[cfg(test)]
mod tests {
    use super::StateKey;
    use crate::base::SecretText;
    use crate::keys::doubles::MemoryKeyring;
    use crate::keys::{KeysError, WrappedKey};

    #[tokio::test]
    async fn opens_again_with_its_wrap() {
        let keyring = MemoryKeyring::new("k");
        let (key, wrapped) = StateKey::create(&keyring, &[1; 16]).await.expect("is made");
        let sealed = key.seal_secret("AK1", &SecretText::new("hunter2hunter2".into()));
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        let again = StateKey::open(&keyring, "k", &[1; 16], &wrapped).await.expect("opens");
        assert_eq!(again.open_secret("AK1", &sealed).expect("opens").expose(), "hunter2hunter2");
        let rewrapped = StateKey::rewrap(&keyring, &[1; 16], &wrapped).await.expect("rewraps");
        let again = StateKey::open(&keyring, "k", &[1; 16], &rewrapped).await.expect("opens");
        assert!(again.open_secret("AK1", &sealed).is_ok());
    }

    #[tokio::test]
    async fn refuses_everything_else() {
        let keyring = MemoryKeyring::new("k");
        let (key, wrapped) = StateKey::create(&keyring, &[1; 16]).await.expect("is made");
        let sealed = key.seal_secret("AK1", &SecretText::new("secret".into()));
        assert!(matches!(key.open_secret("AK2", &sealed), Err(KeysError::Integrity(_))), "moved to another row");
        assert!(key.open_secret("AK1", &sealed[..sealed.len() - 1]).is_err());
        assert!(key.open_secret("AK1", b"").is_err());
        let other = StateKey::open(&keyring, "another", &[1; 16], &wrapped).await;
        assert!(matches!(other, Err(KeysError::OtherKeyring { .. })));
        assert!(StateKey::open(&keyring, "k", &[2; 16], &wrapped).await.is_err(), "another deployment's");
        let cut = WrappedKey { bytes: wrapped.bytes[1..].to_vec(), ..wrapped };
        assert!(matches!(StateKey::open(&keyring, "k", &[1; 16], &cut).await, Err(KeysError::Refused { .. })));
    }
}
