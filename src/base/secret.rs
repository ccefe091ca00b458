//! Types for secrets: no Clone, Debug, Display or Serialize; zeroized on drop.

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 bytes of key material. Borrow it where it is used; share it as `Arc<Key32>`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key32([u8; 32]);

impl Key32 {
    /// Takes the bytes over; the caller zeroizes its own copy.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh random key.
    pub fn generate() -> Self {
        Self(super::random::bytes())
    }

    /// From a slice of exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self([0; 32]);
        (bytes.len() == 32).then(|| {
            key.0.copy_from_slice(bytes);
            key
        })
    }

    /// The bytes, for a cipher or a MAC.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A secret that is text: a secret access key, a token.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// By which it is known again without being kept.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        Fingerprint(hash)
    }
}

/// The SHA-256 of a secret: a secret itself, because a short one could be guessed from it. Compared in constant time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Fingerprint([u8; 32]);

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
