//! AES-256-GCM of segments, by whichever library is faster on this processor.
//!
//! aws-lc-rs is the fastest where there is AVX-512. Without it, it falls back to 128-bit AES instructions, and ring has a
//! path for 256-bit ones (VAES and VPCLMULQDQ with AVX2: AMD Zen 3, Intel Alder Lake): half the time.

use std::sync::LazyLock;

use aws_lc_rs::aead as lc;
use ring::aead as ring;
use zeroize::Zeroize;

use super::cobblestone::{Refused, TAG_BYTES};

/// Bytes of a nonce.
pub(super) const NONCE_BYTES: usize = 12;

/// The key of one stream's segments, wiped when it is dropped. The stream numbers its nonces.
pub(super) enum SegmentKey {
    /// Wipes itself.
    Lc(lc::LessSafeKey),
    /// Does not: [`SegmentKey::drop`] does. Boxed, so that this is its place; what making it leaves on the stack is soon
    /// written over, and wiped by nobody.
    Ring(Box<ring::LessSafeKey>),
}

impl SegmentKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        if ring_is_faster() { Self::ring(key) } else { Self::lc(key) }
    }

    #[expect(clippy::expect_used, reason = "AES-256-GCM takes any 32 bytes as a key")]
    fn lc(key: &[u8; 32]) -> Self {
        let key = lc::UnboundKey::new(&lc::AES_256_GCM, key).expect("32 bytes are an AES-256 key");
        Self::Lc(lc::LessSafeKey::new(key))
    }

    fn ring(key: &[u8; 32]) -> Self {
        Self::Ring(Box::new(ring_key(key)))
    }

    /// Seals `plain` into `out`, which has exactly 16 bytes more.
    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], plain: &[u8], out: &mut [u8]) -> Result<(), Refused> {
        match self {
            Self::Lc(key) => {
                let nonce = lc::Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_scatter(nonce, lc::Aad::empty(), &mut [], plain, out).map_err(|_| Refused)
            }
            Self::Ring(key) => {
                let (cipher, tag) = out.split_last_chunk_mut::<TAG_BYTES>().ok_or(Refused)?;
                if cipher.len() != plain.len() {
                    return Err(Refused);
                }
                cipher.copy_from_slice(plain);
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                match key.seal_in_place_separate_tag(nonce, ring::Aad::empty(), cipher) {
                    Ok(sealed) => {
                        tag.copy_from_slice(sealed.as_ref());
                        Ok(())
                    }
                    Err(_) => {
                        cipher.zeroize();
                        Err(Refused)
                    }
                }
            }
        }
    }

    /// Opens what stands behind the first `gap` bytes of `run`, up to its end, and puts the plaintext at its beginning, over
    /// the gap; how many bytes that is. All of `run` is wiped when the tag does not match.
    pub(super) fn open(&self, nonce: [u8; NONCE_BYTES], run: &mut [u8], gap: usize) -> Result<usize, Refused> {
        let opened = match self {
            Self::Lc(key) => {
                let nonce = lc::Nonce::assume_unique_for_key(nonce);
                key.open_within(nonce, lc::Aad::empty(), run, gap..).map(|plain| plain.len()).ok()
            }
            Self::Ring(key) => {
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                key.open_within(nonce, ring::Aad::empty(), run, gap..).map(|plain| plain.len()).ok()
            }
        };
        opened.ok_or_else(|| {
            run.zeroize();
            Refused
        })
    }
}

#[expect(clippy::expect_used, reason = "AES-256-GCM takes any 32 bytes as a key")]
fn ring_key(key: &[u8; 32]) -> ring::LessSafeKey {
    let key = ring::UnboundKey::new(&ring::AES_256_GCM, key).expect("32 bytes are an AES-256 key");
    ring::LessSafeKey::new(key)
}

impl Drop for SegmentKey {
    fn drop(&mut self) {
        static BLANK: LazyLock<ring::LessSafeKey> = LazyLock::new(|| ring_key(&[0; 32]));
        if let Self::Ring(key) = self {
            **key = BLANK.clone();
            zeroize::optimization_barrier(&**key);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn ring_is_faster() -> bool {
    use std::is_x86_feature_detected as has;
    has!("vaes") && has!("vpclmulqdq") && has!("avx2") && !has!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn ring_is_faster() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [SegmentKey; 2] {
        let key = [7; 32];
        [SegmentKey::lc(&key), SegmentKey::ring(&key)]
    }

    /// What one seals, the other opens, over any gap; and neither opens what was changed.
    #[test]
    fn the_two_libraries_agree() {
        let nonce = [9; NONCE_BYTES];
        let keys = both();
        for (sealer, opener) in keys.iter().flat_map(|sealer| keys.iter().map(move |opener| (sealer, opener))) {
            for length in [0, 1, 15, 16, 17, 255, 256, 4096, 16_383, 16_384] {
                let plain: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
                let mut sealed = vec![0; length + TAG_BYTES];
                assert_eq!(sealer.seal(nonce, &plain, &mut sealed), Ok(()));
                for gap in [0, 1, 16, 56, 240, 20_000] {
                    let run = [vec![0xee; gap], sealed.clone()].concat();
                    let mut opened = run.clone();
                    assert_eq!(opener.open(nonce, &mut opened, gap), Ok(length), "{length} {gap}");
                    assert_eq!(opened[..length], plain, "{length} {gap}");
                    for at in [gap, gap + length, run.len() - 1] {
                        let mut changed = run.clone();
                        changed[at] ^= 1;
                        assert_eq!(opener.open(nonce, &mut changed, gap), Err(Refused), "{length} {gap} {at}");
                        assert!(changed.iter().all(|&byte| byte == 0), "what did not verify is wiped");
                    }
                }
            }
        }
    }

    #[test]
    fn buffers_of_the_wrong_length_are_refused() {
        for key in both() {
            assert_eq!(key.seal([0; NONCE_BYTES], &[1; 20], &mut [0; 35]), Err(Refused));
            assert_eq!(key.seal([0; NONCE_BYTES], &[1; 20], &mut [0; 37]), Err(Refused));
            assert_eq!(key.seal([0; NONCE_BYTES], &[], &mut [0; 15]), Err(Refused));
            assert_eq!(key.open([0; NONCE_BYTES], &mut [0; 15], 0), Err(Refused));
            assert_eq!(key.open([0; NONCE_BYTES], &mut [0; 40], 30), Err(Refused));
            assert_eq!(key.open([0; NONCE_BYTES], &mut [0; 40], 41), Err(Refused));
        }
    }
}
