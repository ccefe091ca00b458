//! CopyObject: decrypt and seal anew, streaming. The copy keeps the ETag, checksums and part table of its source; of a
//! foreign one, whose ETag proves nothing, they are made.

use crate::base::{ChecksumAlgorithm, ChecksumType, ObjectChecksum, ObjectKey, PrincipalId};
use crate::envelope::Manifest;
use crate::hashing::DigestSet;
use crate::store::BucketRow;
use crate::upstream::Tags;

use super::Objects;
use super::condition::WriteGuard;
use super::error::ObjectError;
use super::facts::Provenance;
use super::open::Opened;
use super::put::{NewObject, NewStored, Written, digests_for, new_etag, placeholder};
use super::seal::PartPlan;

/// A copy to make. The source was opened with its whole plaintext selected.
pub struct CopyObject<'a, D> {
    /// The destination's bucket.
    pub bucket: &'a BucketRow,
    /// The destination's key.
    pub key: &'a ObjectKey,
    /// The source.
    pub source: &'a mut Opened<D>,
    /// New headers, metadata (`x-amz-metadata-directive: REPLACE`); `None` keeps the source's.
    pub replace: Option<NewObject>,
    /// Who copies.
    pub owner: PrincipalId,
    /// The tags of the copy.
    pub tags: Tags,
    /// A checksum to compute instead of keeping the source's.
    pub checksum: Option<ChecksumAlgorithm>,
    /// What must hold for the destination.
    pub guard: WriteGuard,
}

impl Objects {
    /// Copies an object.
    pub async fn copy<D>(&self, copy: CopyObject<'_, D>) -> Result<Written, ObjectError> {
        let source = &copy.source.facts.manifest;
        let (asked, new_etag_by) = match copy.source.facts.provenance {
            Provenance::Sealed => (copy.checksum, None),
            Provenance::Foreign => {
                let etag = self.inner.policies.of(copy.bucket).etag;
                (Some(copy.checksum.unwrap_or(ChecksumAlgorithm::Crc64Nvme)), Some(etag))
            }
        };
        let recomputed =
            asked.filter(|&asked| source.checksums.first().is_none_or(|kept| kept.digest.algorithm() != asked));
        let digests = new_etag_by.map_or(DigestSet::none(), digests_for);
        let checksums = match recomputed {
            Some(algorithm) => vec![placeholder(algorithm)?],
            None => source.checksums.clone(),
        };
        let (content_headers, user_metadata) = match copy.replace {
            Some(new) => (new.content_headers, new.user_metadata),
            None => (source.content_headers.clone(), source.user_metadata.clone()),
        };
        let draft = Manifest {
            plaintext_bytes: source.plaintext_bytes,
            etag: source.etag,
            checksums,
            parts: source.parts.clone(),
            content_headers,
            user_metadata,
            owner: copy.owner,
            created: self.inner.clock.now(),
        };
        let plan =
            draft.parts.iter().map(|part| PartPlan { number: part.number, plaintext_bytes: part.plaintext_bytes });
        let new = NewStored {
            bucket: copy.bucket,
            key: copy.key,
            plan: plan.collect(),
            draft,
            digests: recomputed.map_or(digests, |algorithm| digests.with(algorithm)),
            tags: &copy.tags,
            guard: copy.guard,
        };
        let body = copy.source.body.as_mut().ok_or(ObjectError::Row("a copy without a source"))?;
        let outcome = self
            .write_stored(new, body, move |manifest, sealed| {
                if let Some(policy) = new_etag_by {
                    manifest.etag = new_etag(policy, &sealed.digests)?;
                }
                if let Some(algorithm) = recomputed {
                    let digest = sealed.digests.digest(algorithm).ok_or(ObjectError::Row("no checksum was made"))?;
                    manifest.checksums = vec![ObjectChecksum { digest, kind: ChecksumType::FullObject, parts: 0 }];
                }
                Ok(())
            })
            .await;
        match outcome {
            Ok(facts) => Ok(Written::of(&facts)),
            Err(ObjectError::Body(refused)) => Err(body.take_fault().unwrap_or(ObjectError::Body(refused))),
            Err(error) => Err(error),
        }
    }
}
