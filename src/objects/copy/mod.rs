//! CopyObject. Inside one key domain and one upstream the body is copied up there, byte for byte, and gets a new footer;
//! elsewhere it is opened and sealed anew. Either way the copy keeps the ETag, checksums and part table of its source; of
//! a foreign one, whose ETag proves nothing, they are made.

use std::ops::Range;
use std::sync::Arc;

use crate::base::limits::MIN_PART_BYTES;
use crate::base::{ChecksumAlgorithm, ObjectKey, PrincipalId};
use crate::envelope::{Manifest, layout};
use crate::keys::UnwrappedDek;
use crate::store::BucketRow;
use crate::upstream::{StoredFacts, Tags, VersionId};

use super::Objects;
use super::condition::WriteGuard;
use super::error::ObjectError;
use super::facts::{ObjectFacts, Provenance};
use super::open::{Found, Opened};
use super::put::{NewObject, Written};
use super::read::PlainReader;
use super::spool::Route;

mod reseal;
mod server_side;
mod upload;

/// S3: CopyObject copies at most 5 GiB; above it is UploadPartCopy's. It binds copies whose bytes come through here.
const MAX_RESEALED_BYTES: u64 = 5 << 30;

/// What is to be copied.
#[derive(Clone)]
pub struct CopyFrom {
    /// The bucket.
    pub bucket: BucketRow,
    /// The key.
    pub key: ObjectKey,
    /// The version; `None` is the current one.
    pub version: Option<VersionId>,
}

/// Where the copy goes, and what is asked of it there.
#[derive(Clone)]
pub struct CopyTo {
    /// The bucket.
    pub bucket: BucketRow,
    /// The key.
    pub key: ObjectKey,
    /// A checksum to compute instead of keeping the source's.
    pub checksum: Option<ChecksumAlgorithm>,
    /// What must hold for the destination.
    pub guard: WriteGuard,
}

/// What the copy says of itself.
pub struct CopyFacts {
    /// New headers and metadata (`x-amz-metadata-directive: REPLACE`); `None` keeps the source's.
    pub replace: Option<NewObject>,
    /// Who copies.
    pub owner: PrincipalId,
    /// The tags of the copy.
    pub tags: Tags,
}

/// A source that was opened, pinned to exactly what its facts are of.
pub struct OpenCopy<R> {
    /// Its facts.
    pub facts: ObjectFacts,
    /// What the caller decided on exactly these facts.
    pub admitted: Result<(), R>,
    to: CopyTo,
    source: Source,
}

/// How the bytes come over. Made by [`Objects::open_copy`] only, which knows both ends.
enum Source {
    /// They stay at the upstream.
    Stored(Box<StoredSource>),
    /// They come through here.
    Plain(Box<PlainReader>, Onto),
    /// They are too many to come through here, or not wanted.
    Closed,
}

/// A body that may be copied where it is: same key domain, same upstream.
struct StoredSource {
    from: CopyFrom,
    facts: ObjectFacts,
    stored: StoredFacts,
    dek: Arc<UnwrappedDek>,
    onto: Onto,
}

/// What a copy replaces.
enum Onto {
    /// Some other object, or none.
    Other,
    /// Its own source: it must not bring back what somebody has overwritten meanwhile.
    Itself(WriteGuard),
}

/// How a copy is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ServerSide,
    Reseal,
    TooLarge,
}

impl Objects {
    /// Opens the source of a copy. `admit` decides on its verified facts whether it is copied; it is asked again when
    /// the index turns out to be stale. Nothing of a body that can be copied where it is is read.
    pub async fn open_copy<R>(
        &self,
        from: CopyFrom,
        to: CopyTo,
        admit: impl Fn(&ObjectFacts) -> Result<(), R>,
    ) -> Result<OpenCopy<R>, ObjectError> {
        let can = self.upstream(&to.bucket)?.capabilities();
        let here = from.bucket.domain_id == to.bucket.domain_id && from.bucket.upstream == to.bucket.upstream;
        let guarded = to.guard == WriteGuard::None || can.conditional_writes.complete;
        let in_place = here && guarded && can.part_copy;
        let select = |facts: &ObjectFacts| {
            let admitted = admit(facts);
            let way = way_of(facts, to.checksum, in_place);
            let wanted = admitted.is_ok() && way == Way::Reseal;
            ((admitted, way), wanted.then(|| 0..facts.plaintext_bytes()))
        };
        let found = self.open(&from.bucket, &from.key, from.version.as_ref(), select).await?;
        let Found { opened: Opened { facts, decision: (admitted, way), body }, stored, dek } = found;
        let itself = from.bucket.bucket_id == to.bucket.bucket_id && from.key == to.key && from.version.is_none();
        let guards = match way {
            Way::ServerSide => can.conditional_writes.complete,
            Way::Reseal | Way::TooLarge if self.route(&to.bucket)? == Route::Direct => can.conditional_writes.put,
            Way::Reseal | Way::TooLarge => can.conditional_writes.complete,
        };
        let onto = match itself && guards && to.guard == WriteGuard::None {
            true => Onto::Itself(WriteGuard::Stored(stored.etag.clone())),
            false => Onto::Other,
        };
        let source = match (way, dek, body) {
            (Way::ServerSide, Some(dek), _) => {
                Source::Stored(Box::new(StoredSource { from, facts: facts.clone(), stored, dek, onto }))
            }
            (Way::Reseal, _, Some(body)) => Source::Plain(Box::new(body), onto),
            (Way::ServerSide | Way::Reseal | Way::TooLarge, ..) => Source::Closed,
        };
        Ok(OpenCopy { facts, admitted, to, source })
    }

    /// Makes the copy. [`ObjectError::SourceChanged`] when the source is no longer what was opened; nothing was written.
    /// A copy whose caller goes away is given up, and leaves nothing behind.
    pub async fn copy<R>(&self, open: OpenCopy<R>, new: CopyFacts) -> Result<Written, ObjectError> {
        let OpenCopy { facts, admitted, to, source } = open;
        if admitted.is_err() {
            return Err(ObjectError::Row("a copy that was not admitted"));
        }
        let CopyFacts { replace, owner, tags } = new;
        let source_manifest = &facts.manifest;
        let (content_headers, user_metadata) = match replace {
            Some(new) => (new.content_headers, new.user_metadata),
            None => (source_manifest.content_headers.clone(), source_manifest.user_metadata.clone()),
        };
        let draft = Manifest {
            content_headers,
            user_metadata,
            owner,
            created: self.inner.clock.now(),
            ..Manifest::clone(source_manifest)
        };
        match source {
            Source::Stored(source) => self.copy_server_side(*source, &to, draft, &tags).await,
            Source::Plain(mut body, onto) => self.reseal(&mut body, facts.provenance, onto, &to, draft, &tags).await,
            Source::Closed => Err(ObjectError::SourceTooLarge),
        }
    }
}

impl Onto {
    /// The guard of the write: the client's, or our own.
    fn guard(&self, to: &CopyTo) -> WriteGuard {
        match self {
            Self::Other => to.guard.clone(),
            Self::Itself(guard) => guard.clone(),
        }
    }

    /// A guard of our own that does not hold says that the source changed; the client set none.
    fn settle(&self, error: ObjectError) -> ObjectError {
        match (self, error) {
            (Self::Itself(_), ObjectError::PreconditionFailed | ObjectError::NoSuchKey) => ObjectError::SourceChanged,
            (_, error) => error,
        }
    }
}

/// Below S3's minimum for parts a body cannot be part-copied; it comes through here, which is cheap, and verifies it.
/// A checksum that the source does not have takes its plaintext.
fn way_of(source: &ObjectFacts, asked: Option<ChecksumAlgorithm>, in_place: bool) -> Way {
    let body = body_range(&source.manifest).filter(|body| body.end >= MIN_PART_BYTES);
    let is_sealed = source.provenance == Provenance::Sealed;
    match (body, recomputed(&source.manifest, asked)) {
        (Some(_), None) if in_place && is_sealed => Way::ServerSide,
        _ if source.plaintext_bytes() > MAX_RESEALED_BYTES => Way::TooLarge,
        _ => Way::Reseal,
    }
}

/// Where the body stands in the stored object; `None` for lengths that cannot be.
fn body_range(source: &Manifest) -> Option<Range<u64>> {
    let lengths = source.parts.iter().map(|part| layout::stored_part_bytes(part.plaintext_bytes));
    lengths.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(part?)).map(|end| 0..end)
}

/// The checksum to compute: the one asked for, where the source has another or none.
fn recomputed(source: &Manifest, asked: Option<ChecksumAlgorithm>) -> Option<ChecksumAlgorithm> {
    asked.filter(|&asked| source.checksums.first().is_none_or(|kept| kept.digest.algorithm() != asked))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ObjectFacts, Provenance, Way, way_of};
    use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, Md5, ObjectChecksum, PrincipalId, Timestamp};
    use crate::envelope::{Manifest, ManifestPart};

    const GIB: u64 = 1 << 30;

    /// Of two parts, with a CRC64NVME.
    fn source(plaintext_bytes: u64, provenance: Provenance) -> ObjectFacts {
        let algorithm = ChecksumAlgorithm::Crc64Nvme;
        let digest = Digest::new(algorithm, &[1; 8]).expect("eight bytes");
        let part = |number, plaintext_bytes| ManifestPart { number, ..ManifestPart::single(plaintext_bytes, [0; 24]) };
        let manifest = Manifest {
            plaintext_bytes,
            etag: ETag::Multipart(Md5([0; 16]), 2),
            checksums: vec![ObjectChecksum { digest, kind: ChecksumType::FullObject, parts: 0 }],
            parts: vec![part(1, plaintext_bytes / 2), part(2, plaintext_bytes - plaintext_bytes / 2)],
            content_headers: Vec::new(),
            user_metadata: Vec::new(),
            owner: PrincipalId::from_bytes([0; 16]),
            created: Timestamp::from_unix_millis(0),
        };
        let (manifest, last_modified) = (Arc::new(manifest), Timestamp::from_unix_millis(0));
        ObjectFacts { manifest, provenance, last_modified, version: None, tag_count: 0 }
    }

    fn sealed(plaintext_bytes: u64) -> ObjectFacts {
        source(plaintext_bytes, Provenance::Sealed)
    }

    /// S3's 5 GiB bind what comes through here, not what stays at the upstream.
    #[test]
    fn large_sources_are_copied_in_place_or_not_at_all() {
        let (large, largest) = (sealed(5 * GIB + 1), sealed(5 * GIB));
        let (same, other) = (Some(ChecksumAlgorithm::Crc64Nvme), Some(ChecksumAlgorithm::Sha256));
        assert_eq!(way_of(&large, None, true), Way::ServerSide);
        assert_eq!(way_of(&large, same, true), Way::ServerSide);
        assert_eq!(way_of(&large, other, true), Way::TooLarge);
        assert_eq!(way_of(&large, None, false), Way::TooLarge);
        assert_eq!(way_of(&largest, None, false), Way::Reseal);
        assert_eq!(way_of(&sealed(GIB), other, true), Way::Reseal);
        assert_eq!(way_of(&sealed(100), None, true), Way::Reseal);
    }

    /// What was never sealed has no DEK to share, wherever it is.
    #[test]
    fn foreign_sources_come_through_here() {
        assert_eq!(way_of(&source(GIB, Provenance::Foreign), None, true), Way::Reseal);
        assert_eq!(way_of(&source(5 * GIB + 1, Provenance::Foreign), None, true), Way::TooLarge);
    }

    /// Lengths of a verified footer are sound; were they not, nothing would be copied by them.
    #[test]
    fn absurd_lengths_are_not_copied() {
        assert_eq!(way_of(&sealed(u64::MAX), None, true), Way::TooLarge);
    }
}
