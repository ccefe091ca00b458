//! What clients may know of an object, the same in every answer.

use std::sync::Arc;

use crate::base::{ChecksumAlgorithm, ChecksumType, ETag, Md5, ObjectChecksum, Timestamp};
use crate::envelope::Manifest;
use crate::upstream::VersionId;

use super::error::ObjectError;

/// An object's facts: from its verified manifest, and from the upstream what only that knows.
#[derive(Clone)]
pub struct ObjectFacts {
    /// Size, ETag, checksums, part table, headers, metadata; verified.
    pub manifest: Arc<Manifest>,
    /// Who made it.
    pub provenance: Provenance,
    /// By the upstream's clock.
    pub last_modified: Timestamp,
    /// The upstream's version, where there is one.
    pub version: Option<VersionId>,
    /// How many tags it has.
    pub tag_count: u16,
}

/// Who made an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// It was sealed here: everything said of it was verified.
    Sealed,
    /// Somebody else stored it; the manifest says what the upstream does, and its ETag is no digest.
    Foreign,
}

impl ObjectFacts {
    /// The plaintext length in bytes.
    pub fn plaintext_bytes(&self) -> u64 {
        self.manifest.plaintext_bytes
    }

    /// The client-visible ETag.
    pub fn etag(&self) -> ETag {
        self.manifest.etag
    }

    /// The object's checksum, where one is known.
    pub fn checksum(&self) -> Option<ObjectChecksum> {
        self.manifest.checksums.first().copied()
    }

    /// The number of parts of a multipart object; `None` for one that was put whole.
    pub fn parts_count(&self) -> Option<u16> {
        match self.manifest.etag {
            ETag::Multipart(_, parts) => Some(parts),
            ETag::Md5(_) => None,
            // The part table tells a body that was put whole: its one part has the number 0.
            ETag::Opaque(_) => {
                let uploaded = self.manifest.parts.iter().filter(|part| part.number > 0).count();
                u16::try_from(uploaded).ok().filter(|&parts| parts > 0)
            }
        }
    }
}

/// What LIST shows of an object beyond what the upstream lists; sealed in the index row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ListedFacts {
    /// The client-visible ETag.
    pub etag: ETag,
    /// Algorithm and type of the object's checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// By the upstream's clock.
    pub last_modified: Timestamp,
    /// How many tags it had when it was written; the upstream's answers overrule it.
    pub tag_count: u16,
}

/// kind, digest, suffix, checksum code, checksum type, last modified, tag count.
const LISTED_FACTS_BYTES: usize = 1 + 16 + 2 + 1 + 1 + 8 + 2;

impl ListedFacts {
    /// How long the encoding is.
    pub(super) const ENCODED_BYTES: usize = LISTED_FACTS_BYTES;

    /// Of an object.
    pub fn of(facts: &ObjectFacts) -> Self {
        Self {
            etag: facts.etag(),
            checksum: facts.checksum().map(|checksum| (checksum.digest.algorithm(), checksum.kind)),
            last_modified: facts.last_modified,
            tag_count: facts.tag_count,
        }
    }

    /// Fixed width, big-endian.
    pub fn encode(&self) -> [u8; LISTED_FACTS_BYTES] {
        let (kind, digest, suffix) = match self.etag {
            ETag::Md5(md5) => (1, md5.0, 0),
            ETag::Multipart(md5, parts) => (2, md5.0, parts),
            ETag::Opaque(random) => (3, random, 0),
        };
        let (algorithm, checksum_type) = match self.checksum {
            None => (0, 0),
            Some((algorithm, ChecksumType::FullObject)) => (algorithm.code(), 1),
            Some((algorithm, ChecksumType::Composite)) => (algorithm.code(), 2),
        };
        let mut out = [0; LISTED_FACTS_BYTES];
        out[0] = kind;
        out[1..17].copy_from_slice(&digest);
        out[17..19].copy_from_slice(&suffix.to_be_bytes());
        out[19] = algorithm;
        out[20] = checksum_type;
        out[21..29].copy_from_slice(&self.last_modified.unix_millis().to_be_bytes());
        out[29..31].copy_from_slice(&self.tag_count.to_be_bytes());
        out
    }

    /// The inverse; a row that is not one is an error, never a guess.
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectError> {
        let bytes: &[u8; LISTED_FACTS_BYTES] =
            bytes.try_into().map_err(|_| ObjectError::Row("index facts of another length"))?;
        let [kind, rest @ ..] = bytes;
        let (digest, rest) = rest.split_first_chunk::<16>().ok_or(ObjectError::Row("index facts"))?;
        let &[s0, s1, code, type_code, m0, m1, m2, m3, m4, m5, m6, m7, t0, t1] = rest else {
            return Err(ObjectError::Row("index facts"));
        };
        let etag = match (kind, u16::from_be_bytes([s0, s1])) {
            (1, 0) => ETag::Md5(Md5(*digest)),
            (2, parts @ 1..=10_000) => ETag::Multipart(Md5(*digest), parts),
            (3, 0) => ETag::Opaque(*digest),
            _ => return Err(ObjectError::Row("index facts with an unknown ETag kind")),
        };
        let checksum = match (code, type_code) {
            (0, 0) => None,
            (code, 1) => ChecksumAlgorithm::from_code(code).map(|algorithm| (algorithm, ChecksumType::FullObject)),
            (code, 2) => ChecksumAlgorithm::from_code(code).map(|algorithm| (algorithm, ChecksumType::Composite)),
            _ => return Err(ObjectError::Row("index facts with an unknown checksum")),
        };
        let last_modified = Timestamp::from_unix_millis(i64::from_be_bytes([m0, m1, m2, m3, m4, m5, m6, m7]));
        Ok(Self { etag, checksum, last_modified, tag_count: u16::from_be_bytes([t0, t1]) })
    }
}
