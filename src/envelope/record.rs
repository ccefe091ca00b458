//! Small sealed rows of the database (index ETags, upload rows, access keys): one AES-256-GCM message each, through the
//! `aes-gcm` crate. A key of its own per record, from a random salt, so that no nonce can run out or repeat.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

use super::cobblestone::{SALT_BYTES, Salt, TAG_BYTES};
use super::error::FormatError;
use super::keys::Expander;
use crate::base::Key32;

/// How much longer a sealed record is than its plaintext.
pub const RECORD_OVERHEAD_BYTES: usize = SALT_BYTES + TAG_BYTES;

/// A key of records, for those who seal or open many under one.
pub struct RecordKey(Expander);

impl RecordKey {
    /// From K_upload, K_index or the state key.
    pub fn new(key: &Key32) -> Self {
        Self(Expander::new(key))
    }

    /// As [`seal_record`].
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only messages of 64 GiB and more")]
    pub fn seal(&self, context: &[u8], salt: Salt, plaintext: &[u8]) -> Vec<u8> {
        let sealed = self.cipher(&salt).encrypt(&[0; 12].into(), Payload { msg: plaintext, aad: context });
        let mut stored = salt.to_vec();
        stored.extend(sealed.expect("a record is a row, not a body"));
        stored
    }

    /// As [`open_record`].
    pub fn open(&self, context: &[u8], stored: &[u8]) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let (salt, sealed) = stored.split_first_chunk::<SALT_BYTES>().ok_or(FormatError::Record)?;
        self.cipher(salt)
            .decrypt(&[0; 12].into(), Payload { msg: sealed, aad: context })
            .map(Zeroizing::new)
            .map_err(|_| FormatError::Record)
    }

    fn cipher(&self, salt: &Salt) -> Aes256Gcm {
        Aes256Gcm::new(self.0.expand(b"record", salt).expose().into())
    }
}

/// Seals a row: salt || ciphertext || tag. `context` names table, row and column, so that rows cannot be exchanged.
pub fn seal_record(key: &Key32, context: &[u8], salt: Salt, plaintext: &[u8]) -> Vec<u8> {
    RecordKey::new(key).seal(context, salt, plaintext)
}

/// Opens a row; refused under another key or context, or when a bit of it changed.
pub fn open_record(key: &Key32, context: &[u8], stored: &[u8]) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    RecordKey::new(key).open(context, stored)
}

#[cfg(test)]
mod tests {
    use super::{RECORD_OVERHEAD_BYTES, open_record, seal_record};
    use crate::base::Key32;

    #[test]
    fn opens_what_was_sealed() {
        let key = Key32::new([1; 32]);
        for plain in [&b""[..], b"x", &[7; 5000]] {
            let stored = seal_record(&key, b"row 1", [2; 24], plain);
            assert_eq!(stored.len(), plain.len() + RECORD_OVERHEAD_BYTES);
            assert_eq!(open_record(&key, b"row 1", &stored).as_deref().map(Vec::as_slice), Ok(plain));
        }
    }

    /// FORMAT.md: "A record MUST be refused under another key or context, and when any bit of it differs."
    #[test]
    fn refuses_everything_else() {
        let key = Key32::new([1; 32]);
        let stored = seal_record(&key, b"row 1", [2; 24], b"secret");
        assert!(open_record(&key, b"row 2", &stored).is_err());
        assert!(open_record(&Key32::new([3; 32]), b"row 1", &stored).is_err());
        for bit in 0..stored.len() * 8 {
            let mut edited = stored.clone();
            edited[bit / 8] ^= 1 << (bit % 8);
            assert!(open_record(&key, b"row 1", &edited).is_err(), "bit {bit}");
        }
        for length in 0..stored.len() {
            assert!(open_record(&key, b"row 1", &stored[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn equal_rows_do_not_look_equal() {
        let key = Key32::new([1; 32]);
        let (one, two) = (seal_record(&key, b"r", [1; 24], b"same"), seal_record(&key, b"r", [2; 24], b"same"));
        assert_ne!(one[24..], two[24..]);
    }
}
