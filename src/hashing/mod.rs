//! Digests of plaintext: one pass for every digest that a request needs, and the combining that multipart asks for.
//!
//! MD5 is the dearest thing in a PUT, so callers name exactly the digests they need in a [`DigestSet`], and an algorithm
//! that two of them ask for (the payload hash of SigV4 and `x-amz-checksum-sha256`) is computed once.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5_many::Md5State;

use crate::base::{ChecksumAlgorithm, Digest, Md5};

mod body;
mod combine;
mod lanes;

pub use body::BodyHasher;
pub use combine::{combine_full_object, composite, md5_of_md5s};
pub use lanes::{LanesFailed, Md5Lanes, STREAM_BYTES};

/// How many bytes every digest takes before the next digest takes the same ones: the run is then still in the
/// first-level cache (32-48 KiB on today's cores).
const RUN_BYTES: usize = 32 << 10;

/// Which digests to compute; a set, so asking twice costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestSet(u8);

impl DigestSet {
    const MD5: u8 = 1;

    /// None at all.
    pub const fn none() -> Self {
        Self(0)
    }

    /// And MD5.
    #[must_use]
    pub const fn with_md5(self) -> Self {
        Self(self.0 | Self::MD5)
    }

    /// But no MD5.
    #[must_use]
    const fn without_md5(self) -> Self {
        Self(self.0 & !Self::MD5)
    }

    /// And this checksum; SHA-256 also for a SigV4 payload hash.
    #[must_use]
    pub const fn with(self, algorithm: ChecksumAlgorithm) -> Self {
        Self(self.0 | Self::bit(algorithm))
    }

    /// What either set asks for.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether MD5 is asked for.
    pub const fn has_md5(self) -> bool {
        self.0 & Self::MD5 != 0
    }

    /// Whether this checksum is asked for.
    pub const fn has(self, algorithm: ChecksumAlgorithm) -> bool {
        self.0 & Self::bit(algorithm) != 0
    }

    const fn bit(algorithm: ChecksumAlgorithm) -> u8 {
        match algorithm {
            ChecksumAlgorithm::Crc32 => 2,
            ChecksumAlgorithm::Crc32c => 4,
            ChecksumAlgorithm::Crc64Nvme => 8,
            ChecksumAlgorithm::Sha1 => 16,
            ChecksumAlgorithm::Sha256 => 32,
        }
    }
}

/// Computes a [`DigestSet`] over bytes as they pass.
pub struct Hasher {
    md5: Option<Md5State>,
    checksums: Vec<(ChecksumAlgorithm, State)>,
}

enum State {
    Crc(Box<Crc>),
    Sha(Context),
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new(set: DigestSet) -> Self {
        let wanted = ChecksumAlgorithm::ALL.into_iter().filter(|&algorithm| set.has(algorithm));
        Self {
            md5: set.has_md5().then(Md5State::new),
            checksums: wanted.map(|algorithm| (algorithm, State::new(algorithm))).collect(),
        }
    }

    /// Takes the next bytes of the plaintext.
    pub fn update(&mut self, data: &[u8]) {
        for run in data.chunks(RUN_BYTES) {
            if let Some(md5) = &mut self.md5 {
                md5.update(run);
            }
            for (_, state) in &mut self.checksums {
                state.update(run);
            }
        }
    }

    /// The digests of everything taken.
    pub fn finish(self) -> Digests {
        let md5 = self.md5.map(|state| Md5(state.finalize()));
        let checksums = self.checksums.into_iter().filter_map(|(algorithm, state)| state.finish(algorithm)).collect();
        Digests { md5, checksums }
    }
}

impl State {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        match crc_of(algorithm) {
            Some(crc) => Self::Crc(Box::new(Crc::new(crc))),
            None if algorithm == ChecksumAlgorithm::Sha1 => Self::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            None => Self::Sha(Context::new(&SHA256)),
        }
    }

    fn update(&mut self, run: &[u8]) {
        match self {
            Self::Crc(crc) => crc.update(run),
            Self::Sha(context) => context.update(run),
        }
    }

    fn finish(self, algorithm: ChecksumAlgorithm) -> Option<Digest> {
        match self {
            Self::Crc(crc) => crc_digest(algorithm, crc.finalize()),
            Self::Sha(context) => Digest::new(algorithm, context.finish().as_ref()),
        }
    }
}

/// What a [`Hasher`] computed. Plaintext digests are secrets: no Debug.
#[derive(Clone)]
pub struct Digests {
    md5: Option<Md5>,
    checksums: Vec<Digest>,
}

impl Digests {
    /// The MD5, where the set asked for it.
    pub const fn md5(&self) -> Option<Md5> {
        self.md5
    }

    /// The SHA-256, where the set asked for it.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.digest(ChecksumAlgorithm::Sha256).and_then(|digest| digest.bytes().try_into().ok())
    }

    /// The checksum of this algorithm, where the set asked for it.
    pub fn digest(&self, algorithm: ChecksumAlgorithm) -> Option<Digest> {
        self.checksums.iter().find(|digest| digest.algorithm() == algorithm).copied()
    }
}

/// The CRC behind a checksum; `None` for the SHAs.
const fn crc_of(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        // Polynomial 0xad93d23594c93659, reflected: AWS names no parameters, its SDKs use the NVMe ones.
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// A CRC's value as S3 writes it: big-endian, as wide as the CRC.
fn crc_digest(algorithm: ChecksumAlgorithm, value: u64) -> Option<Digest> {
    Digest::new(algorithm, &value.to_be_bytes()[8 - algorithm.digest_bytes().min(8)..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert, proptest};

    use super::{DigestSet, Digests, Hasher, RUN_BYTES};
    use crate::base::ChecksumAlgorithm;

    fn everything() -> DigestSet {
        ChecksumAlgorithm::ALL.into_iter().fold(DigestSet::none().with_md5(), DigestSet::with)
    }

    fn hash(set: DigestSet, data: &[u8]) -> Digests {
        let mut hasher = Hasher::new(set);
        hasher.update(data);
        hasher.finish()
    }

    fn same(a: &Digests, b: &Digests) -> bool {
        a.md5() == b.md5()
            && ChecksumAlgorithm::ALL.into_iter().all(|algorithm| a.digest(algorithm) == b.digest(algorithm))
    }

    #[test]
    fn known_vectors() {
        let of = |data: &[u8]| {
            let digests = hash(everything(), data);
            let mut shown = vec![hex::encode(digests.md5().expect("asked for").0)];
            shown.extend(ChecksumAlgorithm::ALL.map(|a| hex::encode(digests.digest(a).expect("asked for").bytes())));
            shown
        };
        // The "check" values of the CRC catalogue; MD5 and SHA of RFC 1321 and FIPS 180's usual tools.
        assert_eq!(
            of(b"123456789"),
            [
                "25f9e794323b453885f5181f1b624d0b",
                "cbf43926",
                "e3069283",
                "ae8b14860a799888",
                "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ]
        );
        assert_eq!(
            of(b""),
            [
                "d41d8cd98f00b204e9800998ecf8427e",
                "00000000",
                "00000000",
                "0000000000000000",
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ]
        );
    }

    #[test]
    fn only_what_was_asked_for() {
        let digests = hash(DigestSet::none().with(ChecksumAlgorithm::Sha256), b"x");
        assert!(digests.md5().is_none());
        assert!(digests.sha256().is_some());
        assert!(digests.digest(ChecksumAlgorithm::Crc32).is_none());
        assert!(hash(DigestSet::none().with_md5(), b"x").sha256().is_none());
    }

    #[test]
    fn an_algorithm_is_never_hashed_twice() {
        let set = DigestSet::none().with(ChecksumAlgorithm::Sha256).with(ChecksumAlgorithm::Sha256);
        assert_eq!(Hasher::new(set).checksums.len(), 1);
        assert_eq!(set.and(set), set);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            data in prop::collection::vec(any::<u8>(), 0..3 * RUN_BYTES),
            cuts in prop::collection::vec(any::<usize>(), 0..6),
        ) {
            let whole = hash(everything(), &data);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % (data.len() + 1)).collect();
            cuts.extend([0, data.len()]);
            cuts.sort_unstable();
            let mut hasher = Hasher::new(everything());
            for pair in cuts.windows(2) {
                hasher.update(&data[pair[0]..pair[1]]);
            }
            prop_assert!(same(&hasher.finish(), &whole));
        }
    }
}
