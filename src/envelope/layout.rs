//! The arithmetic of lengths: FORMAT.md, "Lengths". A pure bijection between plaintext and stored lengths.

use super::cobblestone::{HEADER_BYTES, MAX_SEGMENTS, SEGMENT_BYTES, STORED_SEGMENT_BYTES, TAG_BYTES};
use super::trailer::TRAILER_BYTES;

const SEGMENT: u64 = SEGMENT_BYTES as u64;
const STORED_SEGMENT: u64 = STORED_SEGMENT_BYTES as u64;
const HEADER: u64 = HEADER_BYTES as u64;
const TAG: u64 = TAG_BYTES as u64;

/// The longest plaintext of one part, in bytes: 2^38 segments of which the last is short (C2SP chunked-encryption).
pub const MAX_PART_PLAINTEXT_BYTES: u64 = MAX_SEGMENTS * SEGMENT - 1;

/// How many segments `plaintext_bytes` take; at least one, because the last one is always short.
pub const fn segments(plaintext_bytes: u64) -> u64 {
    plaintext_bytes / SEGMENT + 1
}

/// Stored bytes of a part (or manifest) of `plaintext_bytes`; `None` beyond [`MAX_PART_PLAINTEXT_BYTES`].
pub const fn stored_part_bytes(plaintext_bytes: u64) -> Option<u64> {
    if plaintext_bytes > MAX_PART_PLAINTEXT_BYTES {
        return None;
    }
    // Below 2^52 + 2^42: no overflow.
    Some(HEADER + plaintext_bytes + TAG * segments(plaintext_bytes))
}

/// The inverse of [`stored_part_bytes`]; `None` for a length that sealing never yields.
pub const fn plaintext_bytes(stored_part_bytes: u64) -> Option<u64> {
    let Some(body) = stored_part_bytes.checked_sub(HEADER) else { return None };
    let full = body / STORED_SEGMENT;
    let last = body % STORED_SEGMENT;
    // The last segment is there, though it may be empty: a tag at least.
    if last < TAG || full >= MAX_SEGMENTS {
        return None;
    }
    Some(full * SEGMENT + (last - TAG))
}

/// Plaintext bytes of segment `index` of a part of `part_bytes` plaintext bytes; 0 beyond its end.
pub const fn segment_plaintext_bytes(part_bytes: u64, index: u64) -> usize {
    let rest = part_bytes.saturating_sub(index.saturating_mul(SEGMENT));
    if rest < SEGMENT { rest as usize } else { SEGMENT_BYTES }
}

/// Where segment `index` starts in a stored part.
pub const fn segment_offset(index: u64) -> u64 {
    HEADER.saturating_add(index.saturating_mul(STORED_SEGMENT))
}

/// Length of the footer (M || T) for a manifest of `manifest_bytes`; `None` when it is absurdly long.
pub const fn footer_bytes(manifest_bytes: u64) -> Option<u64> {
    match stored_part_bytes(manifest_bytes) {
        Some(sealed) => Some(sealed + TRAILER_BYTES as u64),
        None => None,
    }
}

/// Stored length of an object of one part, known before its first byte: what a PUT tells the upstream.
pub const fn stored_object_bytes(plaintext_bytes: u64, manifest_bytes: u64) -> Option<u64> {
    match (stored_part_bytes(plaintext_bytes), footer_bytes(manifest_bytes)) {
        (Some(body), Some(footer)) => body.checked_add(footer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{
        MAX_PART_PLAINTEXT_BYTES, plaintext_bytes, segment_plaintext_bytes, segments, stored_object_bytes,
        stored_part_bytes,
    };

    #[test]
    fn stored_lengths_of_the_boundaries() {
        for (plain, stored) in [
            (0, 72),
            (1, 73),
            (16_383, 56 + 16_383 + 16),
            (16_384, 56 + 16_384 + 32),
            (16_385, 56 + 16_385 + 32),
            (5 << 20, 56 + (5 << 20) + 16 * 321),
        ] {
            assert_eq!(stored_part_bytes(plain), Some(stored));
            assert_eq!(plaintext_bytes(stored), Some(plain));
        }
    }

    /// FORMAT.md: "A stored length that no plaintext length yields MUST be refused."
    #[test]
    fn lengths_that_sealing_never_yields_have_no_plaintext() {
        for stored in [0, 55, 56, 71, 56 + 16_400, 56 + 16_400 + 15, 56 + 2 * 16_400] {
            assert_eq!(plaintext_bytes(stored), None, "{stored}");
        }
    }

    #[test]
    fn limits_are_checked_not_wrapped() {
        assert!(stored_part_bytes(MAX_PART_PLAINTEXT_BYTES).is_some());
        assert_eq!(stored_part_bytes(MAX_PART_PLAINTEXT_BYTES + 1), None);
        assert_eq!(stored_part_bytes(u64::MAX), None);
        assert_eq!(plaintext_bytes(u64::MAX), None);
        assert_eq!(stored_object_bytes(u64::MAX, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn bijection(plain in 0..=MAX_PART_PLAINTEXT_BYTES) {
            prop_assert_eq!(stored_part_bytes(plain).and_then(plaintext_bytes), Some(plain));
        }

        #[test]
        fn inverse_is_the_inverse(stored in any::<u64>()) {
            if let Some(plain) = plaintext_bytes(stored) {
                prop_assert_eq!(stored_part_bytes(plain), Some(stored));
            }
        }

        #[test]
        fn segments_add_up(plain in 0_u64..2_000_000) {
            let sum: u64 = (0..segments(plain)).map(|k| segment_plaintext_bytes(plain, k) as u64).sum();
            prop_assert_eq!(sum, plain);
        }
    }
}
