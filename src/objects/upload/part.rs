//! UploadPart: a part goes up under a salt of its own, or is held back when it may turn out to be the last.

use std::sync::Arc;

use crate::base::limits::{MAX_PART_NUMBER, MAX_STORED_PUT_BYTES, MIN_PART_BYTES};
use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, ObjectKey, PartNumber, Timestamp};
use crate::envelope::{Salt, SealedPart, layout};
use crate::store::{BucketRow, PartBegun, PartPlace, PartRow, StoreError, UploadState};
use crate::upstream::{
    ObjectRef, PutBody, StoredPart, Tags, UploadRef, UpstreamError, UpstreamUploadId, WriteCondition,
};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::{ChecksumConflict, ObjectError};
use super::super::put::{digests_for, new_etag};
use super::super::seal::{PartPlan, Sealed, SealingSource};
use super::super::source::PlainSource;
use super::super::spool::{Route, Temporary};
use super::join::lost;
use super::rows::{OpenUpload, PartDigests};

/// A part to store.
pub struct UploadPart<'a> {
    /// The bucket.
    pub bucket: &'a BucketRow,
    /// The key.
    pub key: &'a ObjectKey,
    /// The upload, as the client names it.
    pub upload_id: &'a str,
    /// The part.
    pub number: PartNumber,
    /// The promised length in bytes.
    pub plaintext_bytes: u64,
    /// The algorithm of the checksum that the client sent along.
    pub declared: Option<ChecksumAlgorithm>,
}

/// A part as it was stored.
#[derive(Clone, Copy, Debug)]
pub struct WrittenPart {
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum, where the client sent one or the upload has an algorithm.
    pub digest: Option<Digest>,
    /// When it was stored.
    pub last_modified: Timestamp,
}

/// The algorithm that parts of an upload keep: the one declared at its creation, or S3's own.
pub(super) fn kept_algorithm(checksum: Option<(ChecksumAlgorithm, ChecksumType)>) -> ChecksumAlgorithm {
    checksum.map_or(ChecksumAlgorithm::Crc64Nvme, |(algorithm, _)| algorithm)
}

impl OpenUpload {
    /// As the upstream knows it.
    pub(super) fn at_upstream(&self, bucket: &BucketRow) -> UploadRef {
        let id = UpstreamUploadId(self.row.upstream_upload_id.as_str().into());
        UploadRef { bucket: bucket.name.clone(), key: self.row.key.clone(), id }
    }
}

impl Objects {
    /// Stores a part. Of several attempts at one number the last to finish is the part.
    pub async fn upload_part(
        &self,
        part: UploadPart<'_>,
        source: &mut dyn PlainSource,
    ) -> Result<WrittenPart, ObjectError> {
        let upload = self.open_upload(part.bucket, part.key, part.upload_id).await?;
        if matches!(upload.row.state, UploadState::Completed { .. } | UploadState::Aborted { .. }) {
            return Err(ObjectError::NoSuchUpload);
        }
        check_algorithm(upload.facts.checksum, part.declared)?;
        let plaintext_bytes = part.plaintext_bytes;
        let stored_bytes = self.part_stored_bytes(part.bucket, plaintext_bytes)?;
        match self.inner.store.begin_part(&upload.row.upload_id, part.number).await? {
            PartBegun::Begun => {}
            PartBegun::Completing => return Err(ObjectError::Conflict),
            PartBegun::Gone => return Err(ObjectError::NoSuchUpload),
        }
        let policy = self.inner.policies.of(part.bucket).etag;
        let kept = kept_algorithm(upload.facts.checksum);
        let plan = vec![PartPlan { number: part.number.get(), plaintext_bytes }];
        let digests = digests_for(policy).with(kept);
        let sealing = SealingSource::new(source, Arc::clone(&upload.dek), plan, digests, &self.inner.md5, None)?;
        let (sealed, salt, place) = if is_held_back(part.number, plaintext_bytes) {
            let (sealed, salt, held) = self.hold_back(part.bucket, &upload, part.number, stored_bytes, sealing).await?;
            (sealed, salt, PartPlace::Held(held.key.as_str().to_owned()))
        } else {
            match self.route(part.bucket)? {
                Route::Direct => self.send_up(part.bucket, &upload, part.number, stored_bytes, sealing).await?,
                Route::Verified => {
                    self.send_up_verified(part.bucket, &upload, part.number, stored_bytes, sealing).await?
                }
            }
        };
        let etag = new_etag(policy, &sealed.digests)?;
        let digest = sealed.digests.digest(kept).ok_or(ObjectError::Row("no checksum was made"))?;
        let modified = self.inner.clock.now();
        let known = PartDigests { etag, digests: vec![digest] };
        let row = PartRow {
            number: part.number,
            salt,
            plaintext_bytes,
            sealed_digests: upload.seal_digests(part.number, &salt, &known),
            place: place.clone(),
            stored_bytes,
            finished_seq: 0,
            modified,
        };
        match self.inner.store.insert_part(&upload.row.upload_id, row).await {
            Ok(inserted) => self.drop_held(part.bucket, &inserted.dropped_held_keys).await,
            Err(error) => {
                if let PartPlace::Held(key) = place {
                    self.drop_held(part.bucket, &[key]).await;
                }
                return Err(match error {
                    StoreError::NoParent => ObjectError::NoSuchUpload,
                    error => error.into(),
                });
            }
        }
        let shown = part.declared.or(upload.facts.checksum.map(|(algorithm, _)| algorithm));
        let digest = shown.and_then(|algorithm| sealed.digests.digest(algorithm));
        Ok(WrittenPart { etag, digest, last_modified: modified })
    }

    /// Best effort: a temporary object that no row names is found by the sweep.
    pub(super) async fn drop_held(&self, bucket: &BucketRow, keys: &[String]) {
        let Ok(place) = self.inner.upstreams.of(bucket) else { return };
        for key in keys.iter().filter_map(|key| ObjectKey::parse(key)) {
            let object = ObjectRef::current(&place.internal_bucket, &key);
            if let Err(error) = place.upstream.delete_object(&object, WriteCondition::None).await {
                tracing::warn!(%error, "a held-back part was left behind");
            }
        }
    }

    fn part_stored_bytes(&self, bucket: &BucketRow, plaintext_bytes: u64) -> Result<u64, ObjectError> {
        let limit = self.upstream(bucket)?.capabilities().max_put_bytes;
        let stored = layout::stored_part_bytes(plaintext_bytes).filter(|&stored| stored <= limit);
        let stored = stored.filter(|_| plaintext_bytes <= MAX_STORED_PUT_BYTES);
        stored.ok_or(ObjectError::TooLarge { plaintext_bytes })
    }

    async fn hold_back(
        &self,
        bucket: &BucketRow,
        upload: &OpenUpload,
        number: PartNumber,
        stored_bytes: u64,
        mut sealing: SealingSource<'_>,
    ) -> Result<(Sealed, Salt, Temporary), ObjectError> {
        let salt = sealing.first_salt();
        let name = format!("tmp/{}/{:05}-{}", upload.row.upload_id, number.get(), hex::encode(salt));
        let key = ObjectKey::parse(&name).ok_or(ObjectError::Row("a held-back part's key"))?;
        let body = PutBody { stored_bytes, source: &mut sealing };
        let (place, untagged) = (self.inner.upstreams.of(bucket)?, Tags::new());
        let outcome =
            place.upstream.put_object(&place.internal_bucket, &key, body, WriteCondition::None, &untagged).await;
        let etag = outcome.as_ref().ok().map(|stored| stored.etag.clone());
        let (sealed, part) = settle(sealing, outcome.map(|_| ()))?;
        let etag = etag.ok_or(ObjectError::Row("a held-back part without its ETag"))?;
        Ok((sealed, part.salt, Temporary { bucket: place.internal_bucket.clone(), key, etag, stored_bytes }))
    }

    /// As [`Objects::send_up`], where a part that breaks off would take the place of an earlier one.
    async fn send_up_verified(
        &self,
        bucket: &BucketRow,
        upload: &OpenUpload,
        number: PartNumber,
        stored_bytes: u64,
        sealing: SealingSource<'_>,
    ) -> Result<(Sealed, Salt, PartPlace), ObjectError> {
        let (sealed, salt, held) = self.hold_back(bucket, upload, number, stored_bytes, sealing).await?;
        let moved = self.move_into(bucket, &upload.at_upstream(bucket), number.get(), &held).await;
        self.drop_held(bucket, &[held.key.as_str().to_owned()]).await;
        let stored = moved.map_err(|error| match error {
            UpstreamError::NoSuchKey | UpstreamError::PreconditionFailed => lost(UpstreamError::NoSuchKey),
            error => upstream_error(error),
        })?;
        Ok((sealed, salt, PartPlace::Upstream(stored.etag.0.to_string())))
    }

    async fn send_up(
        &self,
        bucket: &BucketRow,
        upload: &OpenUpload,
        number: PartNumber,
        stored_bytes: u64,
        mut sealing: SealingSource<'_>,
    ) -> Result<(Sealed, Salt, PartPlace), ObjectError> {
        let body = PutBody { stored_bytes, source: &mut sealing };
        let outcome = self.upstream(bucket)?.upload_part(&upload.at_upstream(bucket), number.get(), body).await;
        let etag = outcome.as_ref().map(|stored: &StoredPart| stored.etag.0.to_string()).unwrap_or_default();
        let (sealed, part) = settle(sealing, outcome.map(|_| ()))?;
        Ok((sealed, part.salt, PartPlace::Upstream(etag)))
    }
}

/// The source's own reason comes before the upstream's, which only says that the body ended.
fn settle(sealing: SealingSource<'_>, outcome: Result<(), UpstreamError>) -> Result<(Sealed, SealedPart), ObjectError> {
    let sealed = match outcome {
        Ok(()) => sealing.finish()?,
        Err(UpstreamError::Body(refused)) => {
            return Err(sealing.finish().err().unwrap_or(UpstreamError::Body(refused).into()));
        }
        Err(error) => return Err(upstream_error(error)),
    };
    let part = *sealed.parts.first().ok_or(ObjectError::Row("a part was not sealed"))?;
    Ok((sealed, part))
}

/// A part below S3's minimum can only be the last one, and behind number 10,000 there is none for the footer: both are
/// joined with the footer at the end.
fn is_held_back(number: PartNumber, plaintext_bytes: u64) -> bool {
    plaintext_bytes < MIN_PART_BYTES || number.get() == MAX_PART_NUMBER
}

fn check_algorithm(
    upload: Option<(ChecksumAlgorithm, ChecksumType)>,
    declared: Option<ChecksumAlgorithm>,
) -> Result<(), ObjectError> {
    match (upload, declared) {
        (Some((algorithm, _)), Some(declared)) if algorithm != declared => {
            Err(ObjectError::Checksum(ChecksumConflict::PartAlgorithm))
        }
        (Some((_, ChecksumType::Composite)), None) => Err(ObjectError::Checksum(ChecksumConflict::PartLacksChecksum)),
        _ => Ok(()),
    }
}
