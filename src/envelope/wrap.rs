//! The DEK, wrapped: bound to its body, its wrapping key and the object's name.

use super::FORMAT_VERSION;
use super::cobblestone::{self, Salt, WRAPPED_KEY_BYTES};
use super::context::sha256;
use super::error::{FormatError, SealError};
use super::keys::Dek;
use super::name::ObjectName;
use crate::base::{BodyId, Key32, KeyId};

/// Room for a wrapped DEK in the trailer, in bytes.
pub const MAX_WRAP_BYTES: usize = 120;

/// Who wraps DEKs in a key domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The domain's bucket key, in this process: no call per object.
    Bucket,
    /// A Transit key of the domain's own, in Vault: one call per new object.
    Direct,
}

impl Scheme {
    /// The code in trailer and binding.
    pub const fn code(self) -> u8 {
        match self {
            Self::Bucket => 1,
            Self::Direct => 2,
        }
    }

    /// From its code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Bucket),
            2 => Some(Self::Direct),
            _ => None,
        }
    }
}

/// A wrapped DEK as it stands in the trailer: ordinary data, worthless without the wrapping key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedDek {
    scheme: Scheme,
    key_id: KeyId,
    key_version: u32,
    bytes: Vec<u8>,
}

impl WrappedDek {
    /// From stored or received parts. Scheme bucket has key version 0 and 104 bytes, scheme direct 1 to 120 bytes.
    pub fn new(scheme: Scheme, key_id: KeyId, key_version: u32, bytes: Vec<u8>) -> Result<Self, SealError> {
        let sound = match scheme {
            Scheme::Bucket => key_version == 0 && bytes.len() == WRAPPED_KEY_BYTES,
            Scheme::Direct => (1..=MAX_WRAP_BYTES).contains(&bytes.len()),
        };
        if sound { Ok(Self { scheme, key_id, key_version, bytes }) } else { Err(SealError::Wrap) }
    }

    /// Who wrapped it.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bucket key that wraps it, or that names its domain (scheme direct).
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Version of the Transit key; 0 for scheme bucket.
    pub const fn key_version(&self) -> u32 {
        self.key_version
    }

    /// The wrap: 104 bytes of Cobblestone-256, or Transit's ciphertext without `vault:vN:`, base64-decoded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// B of FORMAT.md, "Wrapped DEK": what a wrap is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct WrapBinding(Vec<u8>);

impl WrapBinding {
    /// The context of scheme bucket.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256(B): the context of scheme direct, 32 bytes (Vault takes it as padded base64).
    pub fn digest(&self) -> [u8; 32] {
        sha256(&[&self.0])
    }

    /// SHA-256(B || wrap): the key under which an unwrapped DEK may be cached. Never the object's name alone, or a DEK
    /// unwrapped for one body could be served for another.
    pub fn cache_key(&self, wrapped: &WrappedDek) -> [u8; 32] {
        sha256(&[&self.0, &wrapped.bytes])
    }
}

/// What a wrap of this body's DEK, by this key, for this name is bound to.
pub fn wrap_binding(scheme: Scheme, body_id: &BodyId, key_id: &KeyId, name: &ObjectName) -> WrapBinding {
    let mut bytes = b"crypt-keeper.v1 dek\0".to_vec();
    bytes.extend([FORMAT_VERSION, scheme.code()]);
    bytes.extend(body_id.as_bytes());
    bytes.extend(key_id.as_bytes());
    bytes.extend(name.as_bytes());
    WrapBinding(bytes)
}

/// Wraps a DEK under a bucket key (scheme bucket).
pub fn wrap_dek(
    bucket_key: &Key32,
    key_id: KeyId,
    body_id: &BodyId,
    name: &ObjectName,
    salt: Salt,
    dek: &Dek,
) -> WrappedDek {
    let binding = wrap_binding(Scheme::Bucket, body_id, &key_id, name);
    let bytes = cobblestone::wrap(bucket_key, binding.as_bytes(), salt, dek.key()).to_vec();
    WrappedDek { scheme: Scheme::Bucket, key_id, key_version: 0, bytes }
}

/// Unwraps a DEK under a bucket key. A wrap of scheme direct is refused: only Vault opens it.
pub fn unwrap_dek(
    bucket_key: &Key32,
    wrapped: &WrappedDek,
    body_id: &BodyId,
    name: &ObjectName,
) -> Result<Dek, FormatError> {
    if wrapped.scheme != Scheme::Bucket {
        return Err(FormatError::Unwrap);
    }
    let binding = wrap_binding(Scheme::Bucket, body_id, &wrapped.key_id, name);
    cobblestone::unwrap(bucket_key, binding.as_bytes(), &wrapped.bytes).map(Dek::new).ok_or(FormatError::Unwrap)
}

#[cfg(test)]
mod tests {
    use super::{Scheme, WrappedDek, unwrap_dek, wrap_binding, wrap_dek};
    use crate::base::{BodyId, BucketId, Key32, KeyId};
    use crate::envelope::{Dek, ObjectName, SealError};

    fn name(key: &[u8]) -> ObjectName {
        ObjectName::new(&BucketId::from_bytes([3; 16]), key)
    }

    /// FORMAT.md: "A wrap MUST be refused for any other body, key id, name, scheme or wrapping key."
    #[test]
    fn unwraps_only_what_it_was_made_for() {
        let (bucket_key, key_id, body) = (Key32::new([1; 32]), KeyId::from_bytes([2; 16]), BodyId::from_bytes([4; 16]));
        let dek = Dek::new(Key32::new([5; 32]));
        let wrapped = wrap_dek(&bucket_key, key_id, &body, &name(b"k"), [6; 24], &dek);
        assert_eq!(wrapped.bytes().len(), 104);
        let opened = unwrap_dek(&bucket_key, &wrapped, &body, &name(b"k"));
        assert!(opened.is_ok_and(|opened| opened.key().same_as(dek.key())));

        assert!(unwrap_dek(&Key32::new([9; 32]), &wrapped, &body, &name(b"k")).is_err());
        assert!(unwrap_dek(&bucket_key, &wrapped, &BodyId::from_bytes([9; 16]), &name(b"k")).is_err());
        assert!(unwrap_dek(&bucket_key, &wrapped, &body, &name(b"other")).is_err());
        let other_id = WrappedDek { key_id: KeyId::from_bytes([9; 16]), ..wrapped.clone() };
        assert!(unwrap_dek(&bucket_key, &other_id, &body, &name(b"k")).is_err());
        let other_scheme = WrappedDek { scheme: Scheme::Direct, ..wrapped.clone() };
        assert!(unwrap_dek(&bucket_key, &other_scheme, &body, &name(b"k")).is_err());
        for at in 0..wrapped.bytes().len() {
            let mut edited = wrapped.clone();
            edited.bytes[at] ^= 1;
            assert!(unwrap_dek(&bucket_key, &edited, &body, &name(b"k")).is_err(), "byte {at}");
        }
    }

    #[test]
    fn wraps_that_do_not_fit_the_trailer_are_refused() {
        let id = KeyId::from_bytes([0; 16]);
        for (scheme, version, length) in
            [(Scheme::Bucket, 1, 104), (Scheme::Bucket, 0, 103), (Scheme::Direct, 1, 0), (Scheme::Direct, 1, 121)]
        {
            assert_eq!(WrappedDek::new(scheme, id, version, vec![0; length]), Err(SealError::Wrap));
        }
        assert!(WrappedDek::new(Scheme::Direct, id, 3, vec![0; 120]).is_ok());
    }

    #[test]
    fn binding_has_the_documented_layout() {
        let binding =
            wrap_binding(Scheme::Direct, &BodyId::from_bytes([1; 16]), &KeyId::from_bytes([2; 16]), &name(b"k"));
        let bytes = binding.as_bytes();
        assert_eq!(bytes.len(), 86);
        assert_eq!(&bytes[..22], b"crypt-keeper.v1 dek\0\x01\x02");
        assert_eq!(&bytes[22..54], [[1; 16], [2; 16]].concat());
        assert_eq!(&bytes[54..], name(b"k").as_bytes());
    }
}
