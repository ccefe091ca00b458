//! UploadPart: a part goes up under a salt of its own, or is held back when it may turn out to be the last.

use crate::base::limits::{MAX_PART_NUMBER, MAX_STORED_PUT_BYTES, MIN_PART_BYTES};
use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, ObjectKey, PartNumber, Timestamp};
use crate::envelope::layout;
use crate::envelope::manifest::MAX_MANIFEST_BYTES;
use crate::store::{BucketRow, PartBegun, UploadState};
use crate::upstream::{ObjectRef, UploadRef, UpstreamUploadId, WriteCondition};

use super::super::Objects;
use super::super::error::{ChecksumConflict, ObjectError};
use super::super::source::PlainSource;
use super::super::spool::Route;
use super::rows::OpenUpload;
use super::send::Attempt;

/// Part number 10,000 goes up once more, in one part with the footer behind it: it must leave that much room.
const FOOTER_ROOM_BYTES: u64 = 2 * MAX_MANIFEST_BYTES as u64;

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
    /// The checksum that came along.
    pub checksum: PartChecksum,
}

/// The checksum that came along with a part's bytes. What it says is for their source to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartChecksum {
    /// The client sent one.
    Sent(ChecksumAlgorithm),
    /// The client sent none.
    Unsent,
    /// No client sends the bytes (UploadPartCopy): whatever the upload asks for is made here.
    Made,
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
        check_algorithm(upload.facts.checksum, part.checksum)?;
        let attempt = Attempt {
            bucket: part.bucket,
            upload: &upload,
            number: part.number,
            plaintext_bytes: part.plaintext_bytes,
            stored_bytes: self.part_stored_bytes(part.bucket, part.number, part.plaintext_bytes)?,
            kept: kept_algorithm(upload.facts.checksum),
            policy: self.inner.policies.of(part.bucket).etag,
        };
        self.begin_part(&upload, part.number).await?;
        let stored = match (is_held_back(part.number, part.plaintext_bytes), self.route(part.bucket)?) {
            (true, _) => self.hold_back(&attempt, source).await?,
            (false, Route::Direct) => self.send_up(&attempt, source).await?,
            (false, Route::Verified) => self.send_up_verified(&attempt, source).await?,
        };
        let shown = match part.checksum {
            PartChecksum::Sent(algorithm) => Some(algorithm),
            PartChecksum::Unsent | PartChecksum::Made => upload.facts.checksum.map(|(algorithm, _)| algorithm),
        };
        let digest = shown.and_then(|algorithm| stored.digests.digest(algorithm));
        Ok(WrittenPart { etag: stored.etag, digest, last_modified: stored.modified })
    }

    /// Lets a part begin, also after a Complete that broke off without opening the upload again.
    async fn begin_part(&self, upload: &OpenUpload, number: PartNumber) -> Result<(), ObjectError> {
        let id = &upload.row.upload_id;
        let mut begun = self.inner.store.begin_part(id, number).await?;
        if begun == PartBegun::Completing && !self.completing.contains(id) {
            self.inner.store.reopen_upload(id).await?;
            begun = self.inner.store.begin_part(id, number).await?;
        }
        match begun {
            PartBegun::Begun => Ok(()),
            PartBegun::Completing => Err(ObjectError::Conflict),
            PartBegun::Gone => Err(ObjectError::NoSuchUpload),
        }
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

    fn part_stored_bytes(
        &self,
        bucket: &BucketRow,
        number: PartNumber,
        plaintext_bytes: u64,
    ) -> Result<u64, ObjectError> {
        let mut limit = self.upstream(bucket)?.capabilities().max_put_bytes;
        if number.get() == MAX_PART_NUMBER {
            limit = limit.saturating_sub(FOOTER_ROOM_BYTES);
        }
        let stored = layout::stored_part_bytes(plaintext_bytes).filter(|&stored| stored <= limit);
        let stored = stored.filter(|_| plaintext_bytes <= MAX_STORED_PUT_BYTES);
        stored.ok_or(ObjectError::TooLarge { plaintext_bytes })
    }
}

/// A part below S3's minimum can only be the last one, and behind number 10,000 there is none for the footer: both are
/// joined with the footer at the end.
fn is_held_back(number: PartNumber, plaintext_bytes: u64) -> bool {
    plaintext_bytes < MIN_PART_BYTES || number.get() == MAX_PART_NUMBER
}

fn check_algorithm(upload: Option<(ChecksumAlgorithm, ChecksumType)>, part: PartChecksum) -> Result<(), ObjectError> {
    match (upload, part) {
        (Some((algorithm, _)), PartChecksum::Sent(sent)) if algorithm != sent => {
            Err(ObjectError::Checksum(ChecksumConflict::PartAlgorithm))
        }
        (Some((_, ChecksumType::Composite)), PartChecksum::Unsent) => {
            Err(ObjectError::Checksum(ChecksumConflict::PartLacksChecksum))
        }
        _ => Ok(()),
    }
}
