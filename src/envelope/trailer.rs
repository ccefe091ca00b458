//! The trailer: the last 256 bytes of a stored object, in clear, authenticated under a key that only the DEK gives.
//! Parsing it trusts nothing; [`Trailer::verify`] is the only way to the facts.

use std::ops::Range;

use aws_lc_rs::hmac;

use super::FORMAT_VERSION;
use super::cobblestone;
use super::context::sha256;
use super::error::FormatError;
use super::footer::{self, Footer};
use super::keys::BodyKeys;
use super::layout;
use super::manifest::{MAX_MANIFEST_BYTES, Manifest};
use super::name::ObjectName;
use super::wrap::{MAX_WRAP_BYTES, Scheme, WrappedDek};
use crate::base::{BodyId, FooterId, KeyId};

/// Length of the trailer in bytes.
pub const TRAILER_BYTES: usize = 256;

pub(super) const MAGIC: &[u8; 8] = b"CRYPTKPR";
pub(super) const MAC_OFFSET: usize = 224;
const MAC_BYTES: usize = TRAILER_BYTES - MAC_OFFSET;

mod field {
    use std::ops::Range;

    pub(super) const MAGIC: Range<usize> = 0..8;
    pub(super) const VERSION: usize = 8;
    pub(super) const SCHEME: usize = 9;
    pub(super) const ZERO_2: Range<usize> = 10..12;
    pub(super) const MANIFEST_LENGTH: Range<usize> = 12..16;
    pub(super) const PARTS_LENGTH: Range<usize> = 16..24;
    pub(super) const PLAINTEXT_LENGTH: Range<usize> = 24..32;
    pub(super) const BODY_ID: Range<usize> = 32..48;
    pub(super) const FOOTER_ID: Range<usize> = 48..64;
    pub(super) const KEY_ID: Range<usize> = 64..80;
    pub(super) const KEY_VERSION: Range<usize> = 80..84;
    pub(super) const WRAP_LENGTH: Range<usize> = 84..86;
    pub(super) const WRAP: Range<usize> = 86..206;
    pub(super) const ZERO_18: Range<usize> = 206..224;
}

/// A trailer as it was read. Its fields say where to look and what to unwrap, and are not to be believed beyond that.
#[derive(Clone)]
pub struct Trailer {
    raw: [u8; TRAILER_BYTES],
    wrapped: WrappedDek,
    parts_bytes: u64,
    manifest_bytes: u32,
    plaintext_bytes: u64,
}

impl Trailer {
    /// Whether a stored object ends in our magic. Only a hint: a plaintext may end in it too, until the HMAC has matched.
    pub fn is_ours(tail: &[u8]) -> bool {
        tail.last_chunk::<TRAILER_BYTES>().is_some_and(|raw| raw.starts_with(MAGIC))
    }

    /// Parses the last 256 bytes of `tail`, the end of a stored object of `stored_bytes` bytes.
    ///
    /// [`FormatError::NotOurs`] means a foreign object; any other error an object of ours that is damaged.
    pub fn parse(tail: &[u8], stored_bytes: u64) -> Result<Self, FormatError> {
        let raw = *tail.last_chunk::<TRAILER_BYTES>().ok_or(FormatError::NotOurs)?;
        if raw[field::MAGIC] != *MAGIC {
            return Err(FormatError::NotOurs);
        }
        if raw[field::VERSION] != FORMAT_VERSION {
            return Err(FormatError::Version(raw[field::VERSION]));
        }
        let scheme = Scheme::from_code(raw[field::SCHEME]).ok_or(FormatError::Scheme(raw[field::SCHEME]))?;
        let wrapped = parse_wrap(&raw, scheme)?;
        let (manifest_bytes, parts_bytes) = (u32_at(&raw, field::MANIFEST_LENGTH), u64_at(&raw, field::PARTS_LENGTH));
        let manifest_plain = layout::plaintext_bytes(u64::from(manifest_bytes)).ok_or(FormatError::ManifestLength)?;
        if manifest_plain > MAX_MANIFEST_BYTES as u64 {
            return Err(FormatError::ManifestLength);
        }
        let sum = parts_bytes.checked_add(u64::from(manifest_bytes)).and_then(|n| n.checked_add(TRAILER_BYTES as u64));
        if sum != Some(stored_bytes) {
            return Err(FormatError::StoredLength);
        }
        let plaintext_bytes = u64_at(&raw, field::PLAINTEXT_LENGTH);
        Ok(Self { raw, wrapped, parts_bytes, manifest_bytes, plaintext_bytes })
    }

    /// The wrapped DEK. The key it names MUST belong to the requested bucket's domain and have the same scheme; whoever
    /// looks the key up checks that before unwrapping.
    pub const fn wrapped_dek(&self) -> &WrappedDek {
        &self.wrapped
    }

    /// The bucket key that the wrap names.
    pub const fn key_id(&self) -> KeyId {
        self.wrapped.key_id()
    }

    /// How the DEK is wrapped.
    pub const fn scheme(&self) -> Scheme {
        self.wrapped.scheme()
    }

    /// The body that the DEK was made with.
    pub fn body_id(&self) -> BodyId {
        BodyId::from_bytes(id_at(&self.raw, field::BODY_ID))
    }

    /// The object version that this footer was made for.
    pub fn footer_id(&self) -> FooterId {
        FooterId::from_bytes(id_at(&self.raw, field::FOOTER_ID))
    }

    /// The plaintext length that it claims.
    pub const fn plaintext_bytes_hint(&self) -> u64 {
        self.plaintext_bytes
    }

    /// Where M stands in the stored object: fetch these bytes (at most about 4 MiB) for [`Trailer::verify`].
    pub const fn manifest_range(&self) -> Range<u64> {
        self.parts_bytes..self.parts_bytes + self.manifest_bytes as u64
    }

    /// Stored length of M, in bytes.
    pub const fn manifest_stored_bytes(&self) -> u32 {
        self.manifest_bytes
    }

    /// Verifies T and opens M, in this order: the HMAC over T, M as stored and the name; M; every length.
    pub fn verify(self, keys: &BodyKeys, name: &ObjectName, manifest_stored: &[u8]) -> Result<Footer, FormatError> {
        if manifest_stored.len() as u64 != u64::from(self.manifest_bytes) {
            return Err(FormatError::Truncated);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, keys.trailer.expose());
        let message = mac_message(&self.raw, manifest_stored, name);
        hmac::verify(&key, &message, &self.raw[MAC_OFFSET..]).map_err(|_| FormatError::TrailerMac)?;

        let context = manifest_context(&self.footer_id());
        let plain = cobblestone::open_whole(&keys.manifest, &context, manifest_stored)
            .map_err(|_| FormatError::ManifestSeal)?;
        let manifest = Manifest::decode(&plain)?;
        if manifest.plaintext_bytes != self.plaintext_bytes {
            return Err(FormatError::Lengths);
        }
        let spans = footer::spans(&manifest.parts).ok_or(FormatError::Lengths)?;
        if spans.last().is_none_or(|last| last.stored_end() != self.parts_bytes) {
            return Err(FormatError::Lengths);
        }
        let (body_id, footer_id) = (self.body_id(), self.footer_id());
        let stored_bytes = self.parts_bytes + u64::from(self.manifest_bytes) + TRAILER_BYTES as u64;
        Ok(Footer::verified(body_id, footer_id, self.wrapped, manifest, spans, stored_bytes))
    }
}

/// What a new trailer says.
pub(super) struct TrailerFields<'a> {
    pub(super) wrapped: &'a WrappedDek,
    pub(super) manifest_bytes: u32,
    pub(super) parts_bytes: u64,
    pub(super) plaintext_bytes: u64,
    pub(super) footer_id: FooterId,
}

/// T for a manifest as stored.
pub(super) fn seal(
    keys: &BodyKeys,
    name: &ObjectName,
    fields: &TrailerFields<'_>,
    manifest_stored: &[u8],
) -> [u8; 256] {
    let wrapped = fields.wrapped;
    let mut raw = [0; TRAILER_BYTES];
    raw[field::MAGIC].copy_from_slice(MAGIC);
    raw[field::VERSION] = FORMAT_VERSION;
    raw[field::SCHEME] = wrapped.scheme().code();
    raw[field::MANIFEST_LENGTH].copy_from_slice(&fields.manifest_bytes.to_be_bytes());
    raw[field::PARTS_LENGTH].copy_from_slice(&fields.parts_bytes.to_be_bytes());
    raw[field::PLAINTEXT_LENGTH].copy_from_slice(&fields.plaintext_bytes.to_be_bytes());
    raw[field::BODY_ID].copy_from_slice(keys.body_id().as_bytes());
    raw[field::FOOTER_ID].copy_from_slice(fields.footer_id.as_bytes());
    raw[field::KEY_ID].copy_from_slice(wrapped.key_id().as_bytes());
    raw[field::KEY_VERSION].copy_from_slice(&wrapped.key_version().to_be_bytes());
    let length = wrapped.bytes().len();
    // A WrappedDek has at most 120 bytes, by construction.
    raw[field::WRAP_LENGTH].copy_from_slice(&(length as u16).to_be_bytes());
    raw[field::WRAP][..length].copy_from_slice(wrapped.bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA256, keys.trailer.expose());
    let tag = hmac::sign(&key, &mac_message(&raw, manifest_stored, name));
    raw[MAC_OFFSET..].copy_from_slice(tag.as_ref());
    raw
}

/// Context of M: a manifest belongs to one footer.
pub(super) fn manifest_context(footer_id: &FooterId) -> Vec<u8> {
    [b"crypt-keeper.v1 manifest\0", footer_id.as_bytes().as_slice()].concat()
}

/// T[0..224) || SHA-256(M as stored) || N.
fn mac_message(raw: &[u8; TRAILER_BYTES], manifest_stored: &[u8], name: &ObjectName) -> Vec<u8> {
    let mut message = Vec::with_capacity(MAC_OFFSET + 2 * MAC_BYTES);
    message.extend_from_slice(&raw[..MAC_OFFSET]);
    message.extend_from_slice(&sha256(&[manifest_stored]));
    message.extend_from_slice(name.as_bytes());
    message
}

fn parse_wrap(raw: &[u8; TRAILER_BYTES], scheme: Scheme) -> Result<WrappedDek, FormatError> {
    let length = usize::from(u16::from_be_bytes([raw[field::WRAP_LENGTH.start], raw[field::WRAP_LENGTH.start + 1]]));
    if length > MAX_WRAP_BYTES {
        return Err(FormatError::Wrap);
    }
    let (wrap, padding) = raw[field::WRAP].split_at(length);
    let zeros = [padding, &raw[field::ZERO_2], &raw[field::ZERO_18]];
    if zeros.iter().any(|zero| zero.iter().any(|&byte| byte != 0)) {
        return Err(FormatError::Padding);
    }
    let key_id = KeyId::from_bytes(id_at(raw, field::KEY_ID));
    WrappedDek::new(scheme, key_id, u32_at(raw, field::KEY_VERSION), wrap.to_vec()).map_err(|_| FormatError::Wrap)
}

fn u32_at(raw: &[u8; TRAILER_BYTES], at: Range<usize>) -> u32 {
    raw[at].iter().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

fn u64_at(raw: &[u8; TRAILER_BYTES], at: Range<usize>) -> u64 {
    raw[at].iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn id_at(raw: &[u8; TRAILER_BYTES], at: Range<usize>) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&raw[at]);
    id
}
