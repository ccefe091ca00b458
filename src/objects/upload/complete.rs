//! CompleteMultipartUpload: choose the parts, write the footer as the last upstream part, publish. Idempotent.

use crate::base::limits::MAX_PART_NUMBER;
use crate::base::{
    ChecksumAlgorithm, ChecksumType, Digest, ETag, FooterId, Md5, ObjectChecksum, ObjectKey, PartNumber, random,
};
use crate::envelope::{Manifest, ManifestPart, RangeOpener, seal_footer};
use crate::hashing::{combine_full_object, composite, md5_of_md5s};
use crate::store::{BucketRow, CompleteBegun, PartPlace};
use crate::upstream::{ObjectRef, PutBody, StoredRange, UpstreamError, UpstreamEtag};

use super::super::Objects;
use super::super::condition::{GuardedWrite, WriteGuard, upstream_error};
use super::super::error::{ChecksumConflict, ObjectError};
use super::super::list::is_lasting;
use super::super::put::Written;
use super::super::remember::WrittenFooter;
use super::choose::{Chosen, object_bytes};
use super::join::{Held, JoinedTail, lost};
use super::part::kept_algorithm;
use super::rows::OpenUpload;

/// How often a Complete starts again because another one of the same upload came in between.
const MAX_RESTARTS: usize = 3;

/// A part that the client lists.
#[derive(Clone)]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// The ETag that UploadPart answered; `None` for one that cannot be ours.
    pub etag: Option<ETag>,
    /// The checksums that the client repeats.
    pub digests: Vec<Digest>,
}

/// An upload to complete.
pub struct CompleteUpload<'a> {
    /// The bucket.
    pub bucket: &'a BucketRow,
    /// The key.
    pub key: &'a ObjectKey,
    /// The upload, as the client names it.
    pub upload_id: &'a str,
    /// At least one.
    pub parts: Vec<CompletedPart>,
    /// The checksum that the object must have (`x-amz-checksum-*`).
    pub checksum: Option<Digest>,
    /// `x-amz-checksum-type`.
    pub checksum_type: Option<ChecksumType>,
    /// The length that the object must have (`x-amz-mp-object-size`).
    pub object_bytes: Option<u64>,
    /// What must hold for the destination.
    pub guard: WriteGuard,
}

impl Objects {
    /// Completes an upload. Asked again after success it answers the same.
    pub async fn complete_upload(&self, complete: CompleteUpload<'_>) -> Result<Written, ObjectError> {
        let upload = self.open_upload(complete.bucket, complete.key, complete.upload_id).await?;
        // Where this one ends without having opened the upload again, the next part does.
        let _working = self.completing.begin(upload.row.upload_id.clone());
        let highest_part_begun = match self.inner.store.begin_complete(&upload.row.upload_id).await? {
            CompleteBegun::Begun { highest_part_begun } => highest_part_begun,
            CompleteBegun::Completed { sealed_result } => {
                // The one that did it may have been cut off before this last step.
                self.forget_held(complete.bucket, &upload.row.upload_id).await?;
                return answer_of(upload.result(&sealed_result)?, &complete.parts);
            }
            CompleteBegun::Gone => return Err(ObjectError::NoSuchUpload),
        };
        let mut outcome = self.publish(&complete, &upload, highest_part_begun).await;
        for _ in 0..MAX_RESTARTS {
            match outcome {
                // Another Complete of this upload, whose client has perhaps gone, wrote its footer over ours.
                Err(ObjectError::Conflict) => outcome = self.publish(&complete, &upload, highest_part_begun).await,
                _ => break,
            }
        }
        match outcome {
            Ok(written) => {
                let sealed = upload.seal_result(&written);
                self.inner.store.mark_completed(&upload.row.upload_id, sealed, self.inner.clock.now()).await?;
                self.forget_held(complete.bucket, &upload.row.upload_id).await?;
                answer_of(written, &complete.parts)
            }
            Err(error) => {
                // What cannot be opened again now, the next part opens.
                if self.completing.is_last(&upload.row.upload_id)
                    && let Err(error) = self.inner.store.reopen_upload(&upload.row.upload_id).await
                {
                    tracing::warn!(%error, "an upload was not opened again after a Complete that failed");
                }
                Err(error)
            }
        }
    }

    async fn publish(
        &self,
        complete: &CompleteUpload<'_>,
        upload: &OpenUpload,
        highest_part_begun: u16,
    ) -> Result<Written, ObjectError> {
        let chosen = match self.choose(complete, upload).await {
            Ok(chosen) => chosen,
            Err(error) => return self.published_before(complete, upload, error).await,
        };
        let manifest = manifest_of(complete, upload, &chosen)?;
        let condition =
            match self.condition(complete.bucket, complete.key, &complete.guard, GuardedWrite::Complete).await {
                Ok(condition) => condition,
                Err(error) => return self.published_before(complete, upload, error).await,
            };
        let footer_id = FooterId::generate();
        let footer = seal_footer(
            upload.dek.keys(),
            &upload.name,
            &upload.row.wrapped_dek,
            footer_id,
            &manifest,
            random::bytes(),
        )?;
        // Number 10,000 is always held back, so it is free for the footer even when it was begun.
        let footer_number = highest_part_begun.saturating_add(1).min(MAX_PART_NUMBER);
        let mut parts: Vec<(u16, UpstreamEtag)> = Vec::with_capacity(chosen.len() + 1);
        for part in &chosen {
            if let PartPlace::Upstream(etag) = &part.row.place {
                parts.push((part.row.number.get(), UpstreamEtag(etag.as_str().into())));
            }
        }
        match self.write_tail(complete.bucket, upload, &chosen, footer_number, &footer).await {
            Ok(etag) => parts.push((footer_number, etag)),
            Err(error) => return self.published_before(complete, upload, error).await,
        }
        let reference = upload.at_upstream(complete.bucket);
        match self.upstream(complete.bucket)?.complete_multipart(&reference, &parts, condition).await {
            Ok(stored) => {
                let footer = WrittenFooter { wrapped: &upload.row.wrapped_dek, footer_id, bytes: footer.into() };
                let facts = self.remember_written(complete.bucket, complete.key, manifest, &stored, footer).await;
                Ok(Written::of(&facts))
            }
            Err(UpstreamError::InvalidPart { number }) => Err(invalid_part(number, &chosen)),
            Err(error) => {
                let error = self.refused_write(complete.bucket, complete.key, &complete.guard, error).await;
                self.published_before(complete, upload, error).await
            }
        }
    }

    /// A Complete that broke off after the upstream had done it is asked again and finds the upload gone, or its own
    /// object in the way of its condition: the object under the key then has this upload's body.
    async fn published_before(
        &self,
        complete: &CompleteUpload<'_>,
        upload: &OpenUpload,
        error: ObjectError,
    ) -> Result<Written, ObjectError> {
        if !matches!(error, ObjectError::NoSuchUpload | ObjectError::PreconditionFailed) {
            return Err(error);
        }
        // Where nobody knows yet what became of it, the first error would be the last word.
        self.published(complete.bucket, upload).await?.ok_or(error)
    }

    /// The object of an upload, if it is the one under its key; `None` when another one or none is.
    pub(super) async fn published(
        &self,
        bucket: &BucketRow,
        upload: &OpenUpload,
    ) -> Result<Option<Written>, ObjectError> {
        match self.ask(bucket, &upload.row.key, None).await {
            Ok(current) => Ok((current.body_id() == upload.row.body_id).then(|| Written::of(&current.facts))),
            Err(error) if matches!(error, ObjectError::NoSuchKey) || is_lasting(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last upstream part: the footer, behind the last listed part where that was held back.
    async fn write_tail(
        &self,
        bucket: &BucketRow,
        upload: &OpenUpload,
        chosen: &[Chosen],
        number: u16,
        footer: &[u8],
    ) -> Result<UpstreamEtag, ObjectError> {
        let mut stored_bytes = footer.len() as u64;
        let mut held = None;
        if let Some(Chosen { row, .. }) = chosen.last()
            && let PartPlace::Held(key) = &row.place
        {
            let plan = RangeOpener::for_part(upload.dek.keys(), row.number.get(), row.salt, row.plaintext_bytes)
                .ok_or(ObjectError::Row("a held-back part's length"))?;
            let key = ObjectKey::parse(key).ok_or(ObjectError::Row("a held-back part's key"))?;
            let place = self.inner.upstreams.of(bucket)?;
            let object = ObjectRef::current(&place.internal_bucket, &key);
            let reply = place.upstream.get_object(&object, StoredRange::Whole, None).await.map_err(lost)?;
            stored_bytes += row.stored_bytes;
            held = Some(Held::new(reply.body, plan.opener));
        }
        let mut tail = JoinedTail::new(held, footer.to_vec());
        let body = PutBody { stored_bytes, source: &mut tail };
        match self.upstream(bucket)?.upload_part(&upload.at_upstream(bucket), number, body).await {
            Ok(stored) => Ok(stored.etag),
            Err(error @ UpstreamError::Body(_)) => Err(tail.into_fault().unwrap_or(error.into())),
            Err(error) => Err(upstream_error(error)),
        }
    }
}

/// The result of an upload is the answer to the list that it was made of, also when asked again. To another list, of a
/// Complete that came too late, the upload is over. (An opaque ETag does not tell lists apart.)
fn answer_of(written: Written, listed: &[CompletedPart]) -> Result<Written, ObjectError> {
    let ETag::Multipart(made, parts) = written.etag else { return Ok(written) };
    let listed: Option<Vec<Md5>> = listed.iter().map(|part| md5_in(part.etag?)).collect();
    match listed {
        Some(listed) if listed.len() == usize::from(parts) && md5_of_md5s(&listed) == made => Ok(written),
        _ => Err(ObjectError::NoSuchUpload),
    }
}

fn invalid_part(number: u16, chosen: &[Chosen]) -> ObjectError {
    match chosen.iter().find(|part| part.row.number.get() == number) {
        Some(part) => ObjectError::InvalidPart { number: part.row.number },
        // The footer's own part: another Complete of the same upload wrote its footer in between.
        None => ObjectError::Conflict,
    }
}

fn manifest_of(complete: &CompleteUpload<'_>, upload: &OpenUpload, chosen: &[Chosen]) -> Result<Manifest, ObjectError> {
    let declared = upload.facts.checksum;
    let algorithm = kept_algorithm(declared);
    let kind = declared.map_or(ChecksumType::FullObject, |(_, kind)| kind);
    if complete.checksum_type.is_some_and(|asked| asked != kind) {
        return Err(ObjectError::Checksum(ChecksumConflict::Type));
    }
    if declared.is_some() && chosen.iter().zip(1_u16..).any(|(part, number)| part.row.number.get() != number) {
        return Err(ObjectError::Checksum(ChecksumConflict::NotConsecutive));
    }
    let plaintext_bytes = object_bytes(chosen.iter().map(|part| part.row.plaintext_bytes))?;
    if let Some(declared) = complete.object_bytes.filter(|&bytes| bytes != plaintext_bytes) {
        return Err(ObjectError::ObjectSizeMismatch { declared, actual: plaintext_bytes });
    }
    let etag = object_etag(chosen, u16::try_from(chosen.len()).map_err(|_| ObjectError::InvalidPartOrder)?);
    let checksum = object_checksum(algorithm, kind, chosen)?;
    if complete.checksum.is_some_and(|asked| asked != checksum.digest) {
        return Err(ObjectError::Checksum(ChecksumConflict::Value));
    }
    Ok(Manifest {
        plaintext_bytes,
        etag,
        checksums: vec![checksum],
        parts: chosen.iter().map(|part| manifest_part(part, etag, algorithm)).collect(),
        ..upload.facts.blank.clone()
    })
}

/// MD5 of the parts' MD5s; opaque as soon as one part's ETag is.
fn object_etag(chosen: &[Chosen], parts: u16) -> ETag {
    let md5s: Option<Vec<Md5>> = chosen.iter().map(|part| md5_in(part.digests.etag)).collect();
    md5s.map_or_else(|| ETag::Opaque(random::bytes()), |md5s| ETag::Multipart(md5_of_md5s(&md5s), parts))
}

fn md5_in(etag: ETag) -> Option<Md5> {
    match etag {
        ETag::Md5(md5) => Some(md5),
        ETag::Multipart(..) | ETag::Opaque(_) => None,
    }
}

/// A manifest has the MD5 of every part or of none: an upload that saw both policies has an opaque ETag.
fn manifest_part(part: &Chosen, etag: ETag, algorithm: ChecksumAlgorithm) -> ManifestPart {
    ManifestPart {
        number: part.row.number.get(),
        plaintext_bytes: part.row.plaintext_bytes,
        salt: part.row.salt,
        md5: match etag {
            ETag::Multipart(..) => md5_in(part.digests.etag),
            ETag::Md5(_) | ETag::Opaque(_) => None,
        },
        digests: part.digests.of(algorithm).into_iter().collect(),
    }
}

fn object_checksum(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumType,
    chosen: &[Chosen],
) -> Result<ObjectChecksum, ObjectError> {
    let parts: Option<Vec<(Digest, u64)>> =
        chosen.iter().map(|part| Some((part.digests.of(algorithm)?, part.row.plaintext_bytes))).collect();
    let parts = parts.ok_or(ObjectError::Row("a part without its checksum"))?;
    let (digest, count) = match kind {
        ChecksumType::FullObject => (combine_full_object(algorithm, &parts), 0),
        ChecksumType::Composite => {
            let digests: Vec<Digest> = parts.iter().map(|(digest, _)| *digest).collect();
            (composite(algorithm, &digests), u16::try_from(parts.len()).unwrap_or(u16::MAX))
        }
    };
    let digest = digest.ok_or(ObjectError::Row("checksums of parts that do not combine"))?;
    Ok(ObjectChecksum { digest, kind, parts: count })
}
