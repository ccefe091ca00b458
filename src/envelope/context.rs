//! What keys are bound to when Vault or the local keyring wraps them: 32 bytes each (FORMAT.md, "Contexts").

use aws_lc_rs::digest;

use crate::base::{DomainId, KeyId};

/// Context of a bucket key: its id, its domain and its epoch. Vault takes it as padded base64.
pub fn bucket_key_context(key_id: &KeyId, domain_id: &DomainId, epoch: u64) -> [u8; 32] {
    sha256(&[b"crypt-keeper.v1 bucket-key\0", key_id.as_bytes(), domain_id.as_bytes(), &epoch.to_be_bytes()])
}

/// Context of the state key, which seals access keys in the database: the deployment's own 16 bytes.
pub fn state_key_context(deployment_id: &[u8; 16]) -> [u8; 32] {
    sha256(&[b"crypt-keeper.v1 state-key\0", deployment_id])
}

pub(super) fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        hash.update(piece);
    }
    digest32(hash)
}

pub(super) fn digest32(hash: digest::Context) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::{bucket_key_context, state_key_context};
    use crate::base::{DomainId, KeyId};

    /// FORMAT.md: "A wrapped bucket key MUST NOT unwrap as another key, for another domain or epoch, or as a state key."
    #[test]
    fn every_field_counts() {
        let (key, domain) = (KeyId::from_bytes([1; 16]), DomainId::from_bytes([2; 16]));
        let all = [
            bucket_key_context(&key, &domain, 7),
            bucket_key_context(&KeyId::from_bytes([9; 16]), &domain, 7),
            bucket_key_context(&key, &DomainId::from_bytes([9; 16]), 7),
            bucket_key_context(&key, &domain, 8),
            state_key_context(key.as_bytes()),
        ];
        for (at, context) in all.iter().enumerate() {
            assert!(!all[..at].contains(context), "context {at} is there twice");
        }
    }
}
