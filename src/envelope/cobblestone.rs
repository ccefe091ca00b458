//! Cobblestone-256: C2SP chunked-encryption with HKDF-Expand-SHA-512 and AES-256-GCM (C2SP at 5ba5ee8).
//!
//! "The last chunk is required to be short, which implicitly acts as the end-of-message signal": so no flag is needed, and
//! a full segment can be sealed as soon as it is there. The nonce is "the XOR of the *base nonce* and the chunk number as a
//! big-endian integer as wide as the *base nonce*"; "the AEAD's AAD is not used and MUST be empty".

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{NONCE_BYTES, SegmentKey};
use super::layout;
use crate::base::Key32;

/// Plaintext bytes of every segment but the last, which has fewer.
pub const SEGMENT_BYTES: usize = 16 << 10;
/// Bytes of AES-GCM's tag, one behind each segment.
pub const TAG_BYTES: usize = 16;
/// Stored bytes of every segment but the last.
pub const STORED_SEGMENT_BYTES: usize = SEGMENT_BYTES + TAG_BYTES;
/// Bytes of the random salt in front.
pub const SALT_BYTES: usize = 24;
/// Bytes of the key commitment behind the salt.
pub const COMMITMENT_BYTES: usize = 32;
/// Salt and commitment.
pub const HEADER_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;
/// C2SP: "If the chunk counter reaches or exceeds 2^38 while encrypting or decrypting, implementations MUST abort."
pub const MAX_SEGMENTS: u64 = 1 << 38;
/// A 32-byte key, sealed.
pub const WRAPPED_KEY_BYTES: usize = HEADER_BYTES + 32 + TAG_BYTES;

const INFO_PREFIX: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// 24 bytes that never repeat under one key: always fresh randomness, one per attempt.
pub type Salt = [u8; SALT_BYTES];

/// What does not open. The caller knows what it was and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// Segment key, base nonce and commitment of one stream.
pub(super) struct StreamKeys {
    key: SegmentKey,
    base_nonce: [u8; NONCE_BYTES],
    header: [u8; HEADER_BYTES],
}

impl StreamKeys {
    /// Derives them. Whoever reads a header goes through [`StreamKeys::check_header`] before it opens anything.
    pub(super) fn derive(input_key: &Key32, salt: &Salt, context: &[u8]) -> Self {
        let okm = expand76(input_key, salt, context);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&okm[..32]);
        let key = SegmentKey::new(&key);
        let mut base_nonce = [0; NONCE_BYTES];
        base_nonce.copy_from_slice(&okm[32..44]);
        let mut header = [0; HEADER_BYTES];
        header[..SALT_BYTES].copy_from_slice(salt);
        header[SALT_BYTES..].copy_from_slice(&okm[44..76]);
        Self { key, base_nonce, header }
    }

    /// Salt and commitment, as they stand in front of the segments.
    pub(super) const fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    /// Whether a stored header is the one that these keys were derived for; in constant time.
    pub(super) fn check_header(&self, stored: &[u8]) -> Result<(), Refused> {
        if bool::from(self.header.as_slice().ct_eq(stored)) { Ok(()) } else { Err(Refused) }
    }

    /// Seals `plain` as segment `index`; `out` has exactly 16 bytes more.
    pub(super) fn seal_segment(&self, index: u64, plain: &[u8], out: &mut [u8]) -> Result<(), Refused> {
        self.key.seal(self.nonce(index)?, plain, out)
    }

    /// Opens segment `index`, which is what stands behind the first `gap` bytes of `run`, in place: its plaintext then stands
    /// at the beginning of `run`, over the gap. How many bytes that is. All of `run` is wiped when the tag does not match.
    pub(super) fn open_segment(&self, index: u64, run: &mut [u8], gap: usize) -> Result<usize, Refused> {
        self.key.open(self.nonce(index)?, run, gap)
    }

    fn nonce(&self, index: u64) -> Result<[u8; NONCE_BYTES], Refused> {
        if index >= MAX_SEGMENTS {
            return Err(Refused);
        }
        let mut nonce = self.base_nonce;
        for (byte, counter) in nonce[NONCE_BYTES - 8..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= counter;
        }
        Ok(nonce)
    }
}

/// HKDF-Expand with SHA-512 for 76 bytes: T(1) || T(2), T(i) = HMAC(PRK, T(i-1) || info || i). Written out because
/// aws-lc-rs takes a PRK from its own Extract only, and the specification uses none.
fn expand76(input_key: &Key32, salt: &Salt, context: &[u8]) -> Zeroizing<[u8; 128]> {
    let prk = hmac::Key::new(hmac::HMAC_SHA512, input_key.expose());
    let mut okm = Zeroizing::new([0; 128]);
    for block in 0_u8..2 {
        let mut mac = hmac::Context::with_key(&prk);
        if block > 0 {
            mac.update(&okm[..64]);
        }
        mac.update(INFO_PREFIX);
        mac.update(salt);
        mac.update(context);
        mac.update(&[block + 1]);
        let at = usize::from(block) * 64;
        okm[at..at + 64].copy_from_slice(mac.sign().as_ref());
    }
    okm
}

/// Seals a message that is small enough to be held: a manifest, a key.
pub(super) fn seal_whole(input_key: &Key32, salt: &Salt, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Refused> {
    let keys = StreamKeys::derive(input_key, salt, context);
    let stored = layout::stored_part_bytes(plain.len() as u64).and_then(|n| usize::try_from(n).ok()).ok_or(Refused)?;
    let mut out = vec![0; stored];
    out[..HEADER_BYTES].copy_from_slice(keys.header());
    for (index, sealed) in (0..).zip(out[HEADER_BYTES..].chunks_mut(STORED_SEGMENT_BYTES)) {
        let from = index as usize * SEGMENT_BYTES;
        let to = plain.len().min(from + SEGMENT_BYTES);
        keys.seal_segment(index, &plain[from..to], sealed)?;
    }
    Ok(out)
}

/// Opens what [`seal_whole`] made. Its first act is to check the commitment.
pub(super) fn open_whole(input_key: &Key32, context: &[u8], stored: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
    layout::plaintext_bytes(stored.len() as u64).ok_or(Refused)?;
    let (header, segments) = stored.split_first_chunk::<HEADER_BYTES>().ok_or(Refused)?;
    let salt = header.first_chunk::<SALT_BYTES>().ok_or(Refused)?;
    let keys = StreamKeys::derive(input_key, salt, context);
    keys.check_header(header)?;
    let mut plain = Zeroizing::new(segments.to_vec());
    let mut opened = 0;
    for (index, start) in (0..).zip((0..segments.len()).step_by(STORED_SEGMENT_BYTES)) {
        let end = segments.len().min(start + STORED_SEGMENT_BYTES);
        opened += keys.open_segment(index, &mut plain[opened..end], start - opened)?;
    }
    plain.truncate(opened);
    Ok(plain)
}

/// Wraps a 32-byte key for `context`: 104 bytes. Used for DEKs, and by the local keyring for bucket keys.
#[expect(clippy::expect_used, reason = "32 bytes always seal")]
pub fn wrap(wrapping: &Key32, context: &[u8], salt: Salt, key: &Key32) -> [u8; WRAPPED_KEY_BYTES] {
    let sealed = seal_whole(wrapping, &salt, context, key.expose()).expect("one short segment");
    sealed.try_into().expect("104 bytes")
}

/// Unwraps; `None` when the bytes were not made by [`wrap`] with this key and context.
pub fn unwrap(wrapping: &Key32, context: &[u8], wrapped: &[u8]) -> Option<Key32> {
    if wrapped.len() != WRAPPED_KEY_BYTES {
        return None;
    }
    open_whole(wrapping, context, wrapped).ok().and_then(|key| Key32::from_slice(&key))
}
