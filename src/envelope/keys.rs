//! Keys of one body, derived from its DEK; each for one use, so that no two uses share a key.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::base::{BodyId, Key32};

/// A data-encryption key: 32 random bytes per body. No Clone, no Debug; share it as `Arc<Dek>`.
pub struct Dek(Key32);

impl Dek {
    /// From 32 fresh random bytes, or from an unwrapped key.
    pub const fn new(key: Key32) -> Self {
        Self(key)
    }

    /// The key, to be wrapped.
    pub const fn key(&self) -> &Key32 {
        &self.0
    }
}

/// What seals and opens one body and everything that belongs to it (FORMAT.md, "Keys").
pub struct BodyKeys {
    body_id: BodyId,
    pub(super) body: Key32,
    pub(super) manifest: Key32,
    pub(super) trailer: Key32,
    upload: Key32,
}

impl BodyKeys {
    /// Derives them from the DEK and the id that was made with it.
    pub fn derive(dek: &Dek, body_id: &BodyId) -> Self {
        let expander = Expander::new(&dek.0);
        let expand = |purpose| expander.expand(purpose, body_id.as_bytes());
        Self {
            body_id: *body_id,
            body: expand(b"body"),
            manifest: expand(b"manifest"),
            trailer: expand(b"trailer"),
            upload: expand(b"upload"),
        }
    }

    /// The body that these keys are for.
    pub const fn body_id(&self) -> &BodyId {
        &self.body_id
    }

    /// The key of sealed upload and part rows ([`super::seal_record`]).
    pub const fn upload(&self) -> &Key32 {
        &self.upload
    }
}

/// The key of sealed index rows, one per bucket key.
pub fn index_key(bucket_key: &Key32) -> Key32 {
    Expander::new(bucket_key).expand(b"index", &[])
}

/// A key that others are derived from. Half the work is done once, when it is made.
pub(super) struct Expander(hmac::Key);

impl Expander {
    pub(super) fn new(key: &Key32) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA512, key.expose()))
    }

    /// HMAC-SHA-512(key, "crypt-keeper.v1 " || purpose || 0 || data || 0x01)[0..32): HKDF-Expand of one block.
    pub(super) fn expand(&self, purpose: &[u8], data: &[u8]) -> Key32 {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"crypt-keeper.v1 ");
        mac.update(purpose);
        mac.update(&[0]);
        mac.update(data);
        mac.update(&[1]);
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(&mac.sign().as_ref()[..32]);
        Key32::new(*out)
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyKeys, Dek, index_key};
    use crate::base::{BodyId, Key32};

    #[test]
    fn each_use_and_each_body_has_keys_of_its_own() {
        let dek = Dek::new(Key32::new([7; 32]));
        let one = BodyKeys::derive(&dek, &BodyId::from_bytes([1; 16]));
        let two = BodyKeys::derive(&dek, &BodyId::from_bytes([2; 16]));
        let index = index_key(dek.key());
        let all = [
            &one.body,
            &one.manifest,
            &one.trailer,
            &one.upload,
            &two.body,
            &two.manifest,
            &two.trailer,
            &two.upload,
            &index,
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[..at].iter().any(|other| other.same_as(key)), "key {at} is there twice");
        }
    }
}
