//! A copy whose bytes come through here: opened, verified and sealed under a DEK of its own, streaming.

use crate::base::{ChecksumAlgorithm, ChecksumType, ObjectChecksum};
use crate::envelope::Manifest;
use crate::hashing::DigestSet;
use crate::upstream::Tags;

use super::super::Objects;
use super::super::error::ObjectError;
use super::super::facts::Provenance;
use super::super::put::{NewStored, Written, digests_for, new_etag, placeholder};
use super::super::read::PlainReader;
use super::super::seal::PartPlan;
use super::{CopyTo, Onto, recomputed};

impl Objects {
    /// Writes `body` under the destination's name. `draft` is the source's manifest with the copy's headers.
    pub(super) async fn reseal(
        &self,
        body: &mut PlainReader,
        provenance: Provenance,
        onto: Onto,
        to: &CopyTo,
        mut draft: Manifest,
        tags: &Tags,
    ) -> Result<Written, ObjectError> {
        let (asked, new_etag_by) = match provenance {
            Provenance::Sealed => (to.checksum, None),
            Provenance::Foreign => {
                let policy = self.inner.policies.of(&to.bucket).etag;
                (Some(to.checksum.unwrap_or(ChecksumAlgorithm::Crc64Nvme)), Some(policy))
            }
        };
        let recomputed = recomputed(&draft, asked);
        let digests = new_etag_by.map_or(DigestSet::none(), digests_for);
        if let Some(algorithm) = recomputed {
            draft.checksums = vec![placeholder(algorithm)?];
        }
        let plan =
            draft.parts.iter().map(|part| PartPlan { number: part.number, plaintext_bytes: part.plaintext_bytes });
        let new = NewStored {
            bucket: &to.bucket,
            key: &to.key,
            plan: plan.collect(),
            draft,
            digests: recomputed.map_or(digests, |algorithm| digests.with(algorithm)),
            tags,
            guard: onto.guard(to),
        };
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
            Err(error) => Err(onto.settle(error)),
        }
    }
}
