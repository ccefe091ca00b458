//! What S3 makes of the parts' digests when a multipart upload is completed, without the bytes.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest as sha};
use crc_fast::{checksum, checksum_combine};
use md5_many::Md5State;

use super::{crc_digest, crc_of};
use crate::base::{ChecksumAlgorithm, Digest, Md5};

/// The FULL_OBJECT checksum of the parts put together, from each part's checksum and plaintext length in bytes.
/// `None` for SHA-1 and SHA-256 (they do not combine; S3 has them COMPOSITE only) and for a part's digest of another algorithm.
pub fn combine_full_object(algorithm: ChecksumAlgorithm, parts: &[(Digest, u64)]) -> Option<Digest> {
    let crc = crc_of(algorithm)?;
    let mut whole = checksum(crc, b"");
    for (part, len) in parts {
        whole = checksum_combine(crc, whole, crc_value(algorithm, part)?, *len);
    }
    crc_digest(algorithm, whole)
}

/// The COMPOSITE checksum: the algorithm over the parts' raw digests, one after another.
/// `None` when a digest is of another algorithm.
pub fn composite(algorithm: ChecksumAlgorithm, parts: &[Digest]) -> Option<Digest> {
    let mut raw = Vec::with_capacity(parts.len() * algorithm.digest_bytes());
    for part in parts {
        raw.extend_from_slice((part.algorithm() == algorithm).then(|| part.bytes())?);
    }
    match algorithm {
        ChecksumAlgorithm::Sha1 => Digest::new(algorithm, sha(&SHA1_FOR_LEGACY_USE_ONLY, &raw).as_ref()),
        ChecksumAlgorithm::Sha256 => Digest::new(algorithm, sha(&SHA256, &raw).as_ref()),
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Crc64Nvme => {
            crc_digest(algorithm, checksum(crc_of(algorithm)?, &raw))
        }
    }
}

/// The MD5 in a multipart object's ETag: over the parts' raw MD5s, one after another.
pub fn md5_of_md5s(parts: &[Md5]) -> Md5 {
    let mut state = Md5State::new();
    for part in parts {
        state.update(&part.0);
    }
    Md5(state.finalize())
}

fn crc_value(algorithm: ChecksumAlgorithm, digest: &Digest) -> Option<u64> {
    (digest.algorithm() == algorithm)
        .then(|| digest.bytes().iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};

    use super::{combine_full_object, composite, md5_of_md5s};
    use crate::base::{ChecksumAlgorithm, Digest, Md5};
    use crate::hashing::{DigestSet, Hasher};

    const CRCS: [ChecksumAlgorithm; 3] =
        [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];

    fn digest(algorithm: ChecksumAlgorithm, data: &[u8]) -> Digest {
        let mut hasher = Hasher::new(DigestSet::none().with(algorithm));
        hasher.update(data);
        hasher.finish().digest(algorithm).expect("asked for")
    }

    fn md5(data: &[u8]) -> Md5 {
        let mut hasher = Hasher::new(DigestSet::none().with_md5());
        hasher.update(data);
        hasher.finish().md5().expect("asked for")
    }

    proptest! {
        #[test]
        fn full_object_is_the_checksum_of_all_bytes(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8),
        ) {
            for algorithm in CRCS {
                let pieces: Vec<_> = parts.iter().map(|part| (digest(algorithm, part), part.len() as u64)).collect();
                prop_assert_eq!(combine_full_object(algorithm, &pieces), Some(digest(algorithm, &parts.concat())));
            }
        }
    }

    #[test]
    fn empty_parts_change_nothing() {
        for algorithm in CRCS {
            let (empty, full) = ((digest(algorithm, b""), 0), (digest(algorithm, b"123456789"), 9));
            assert_eq!(combine_full_object(algorithm, &[empty]), Some(empty.0));
            assert_eq!(combine_full_object(algorithm, &[empty, full, empty, empty]), Some(full.0));
        }
    }

    #[test]
    fn composite_is_the_digest_of_the_raw_digests() {
        for algorithm in ChecksumAlgorithm::ALL {
            let parts = [digest(algorithm, b"one"), digest(algorithm, b"two")];
            let raw = [parts[0].bytes(), parts[1].bytes()].concat();
            assert_eq!(composite(algorithm, &parts), Some(digest(algorithm, &raw)));
        }
    }

    #[test]
    fn sha_has_no_full_object() {
        let part = digest(ChecksumAlgorithm::Sha256, b"x");
        assert_eq!(combine_full_object(ChecksumAlgorithm::Sha256, &[(part, 1)]), None);
    }

    #[test]
    fn a_digest_of_another_algorithm_is_refused() {
        let part = digest(ChecksumAlgorithm::Crc32, b"x");
        assert_eq!(combine_full_object(ChecksumAlgorithm::Crc32c, &[(part, 1)]), None);
        assert_eq!(composite(ChecksumAlgorithm::Crc32c, &[part]), None);
    }

    #[test]
    fn md5_of_md5s_is_over_raw_bytes() {
        let parts = [md5(b"one"), md5(b"two")];
        assert_eq!(md5_of_md5s(&parts), md5(&[parts[0].0, parts[1].0].concat()));
        // Of one part too: `<md5 of md5>-1`, not the part's own MD5.
        assert_ne!(md5_of_md5s(&parts[..1]), parts[0]);
    }
}
