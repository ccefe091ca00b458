//! One attempt at a part: sealed under a salt of its own, and noted down in time.
//!
//! A part that goes to the upstream has its row before the last of it does: were the upstream's answer lost, with this
//! request or with this process, nobody could tell which attempt it holds, and an earlier one with the same bytes, whose
//! ETag the client has, would be lost with it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{ChecksumAlgorithm, ETag, ObjectKey, PartNumber, Timestamp};
use crate::hashing::Digests;
use crate::store::{BucketRow, PartPlace, PartRow, StoreError};
use crate::upstream::{PutBody, Tags, UpstreamError, UpstreamEtag, WriteCondition};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::ObjectError;
use super::super::policy::EtagPolicy;
use super::super::put::{digests_for, new_etag};
use super::super::seal::{BeforeEnd, PartPlan, Sealed, SealingSource};
use super::super::source::PlainSource;
use super::super::spool::Temporary;
use super::join::lost;
use super::rows::{OpenUpload, PartDigests};

/// One attempt.
pub(super) struct Attempt<'a> {
    pub(super) bucket: &'a BucketRow,
    pub(super) upload: &'a OpenUpload,
    pub(super) number: PartNumber,
    pub(super) plaintext_bytes: u64,
    pub(super) stored_bytes: u64,
    /// The checksum that the parts of the upload keep.
    pub(super) kept: ChecksumAlgorithm,
    pub(super) policy: EtagPolicy,
}

/// An attempt that ended well.
pub(super) struct StoredAttempt {
    pub(super) etag: ETag,
    pub(super) digests: Digests,
    pub(super) modified: Timestamp,
}

impl Objects {
    /// Stores an attempt in the internal bucket: each there has a key of its own.
    pub(super) async fn hold_back(
        &self,
        attempt: &Attempt<'_>,
        source: &mut dyn PlainSource,
    ) -> Result<StoredAttempt, ObjectError> {
        let (sealed, held) = self.put_held(attempt, source).await?;
        let (name, modified) = (held.key.as_str().to_owned(), self.inner.clock.now());
        let noted = self.note(attempt, &sealed, PartPlace::Held(name.clone()), modified).await;
        match noted {
            Ok(etag) => Ok(StoredAttempt { etag, digests: sealed.digests, modified }),
            Err(error) => {
                self.drop_held(attempt.bucket, &[name]).await;
                Err(error)
            }
        }
    }

    /// Sends an attempt to the upstream.
    pub(super) async fn send_up(
        &self,
        attempt: &Attempt<'_>,
        source: &mut dyn PlainSource,
    ) -> Result<StoredAttempt, ObjectError> {
        let mut noting = Noting { objects: self, attempt, etag: None };
        let mut sealing = self.sealing(attempt, source)?.before_end(&mut noting);
        let body = PutBody { stored_bytes: attempt.stored_bytes, source: &mut sealing };
        let upload = attempt.upload.at_upstream(attempt.bucket);
        let outcome = self.upstream(attempt.bucket)?.upload_part(&upload, attempt.number.get(), body).await;
        let (sealed, stored) = settle(sealing, outcome)?;
        let etag = noting.etag.ok_or(ObjectError::Row("a part that was not noted down"))?;
        self.answered(attempt, sealed, etag, &stored.etag).await
    }

    /// The same where a part that breaks off would take the place of an earlier one.
    pub(super) async fn send_up_verified(
        &self,
        attempt: &Attempt<'_>,
        source: &mut dyn PlainSource,
    ) -> Result<StoredAttempt, ObjectError> {
        let (sealed, held) = self.put_held(attempt, source).await?;
        let moved = self.move_up(attempt, &sealed, &held).await;
        self.drop_held(attempt.bucket, &[held.key.as_str().to_owned()]).await;
        let (etag, at_upstream) = moved?;
        self.answered(attempt, sealed, etag, &at_upstream).await
    }

    async fn move_up(
        &self,
        attempt: &Attempt<'_>,
        sealed: &Sealed,
        held: &Temporary,
    ) -> Result<(ETag, UpstreamEtag), ObjectError> {
        let etag = self.note(attempt, sealed, PartPlace::Sent, self.inner.clock.now()).await?;
        let upload = attempt.upload.at_upstream(attempt.bucket);
        let moved = self.move_into(attempt.bucket, &upload, attempt.number.get(), held).await;
        let stored = moved.map_err(|error| match error {
            UpstreamError::NoSuchKey | UpstreamError::PreconditionFailed => lost(UpstreamError::NoSuchKey),
            error => upstream_error(error),
        })?;
        Ok((etag, stored.etag))
    }

    async fn put_held(
        &self,
        attempt: &Attempt<'_>,
        source: &mut dyn PlainSource,
    ) -> Result<(Sealed, Temporary), ObjectError> {
        let mut sealing = self.sealing(attempt, source)?;
        let salt = hex::encode(sealing.first_salt());
        let name = format!("tmp/{}/{:05}-{salt}", attempt.upload.row.upload_id, attempt.number.get());
        let key = ObjectKey::parse(&name).ok_or(ObjectError::Row("a held-back part's key"))?;
        let (place, untagged) = (self.inner.upstreams.of(attempt.bucket)?, Tags::new());
        let (bucket, stored_bytes) = (place.internal_bucket.clone(), attempt.stored_bytes);
        let body = PutBody { stored_bytes, source: &mut sealing };
        let outcome = place.upstream.put_object(&bucket, &key, body, WriteCondition::None, &untagged).await;
        let (sealed, stored) = settle(sealing, outcome)?;
        Ok((sealed, Temporary { bucket, key, etag: stored.etag, stored_bytes }))
    }

    fn sealing<'a>(
        &self,
        attempt: &Attempt<'_>,
        source: &'a mut dyn PlainSource,
    ) -> Result<SealingSource<'a>, ObjectError> {
        let plan = vec![PartPlan { number: attempt.number.get(), plaintext_bytes: attempt.plaintext_bytes }];
        let digests = digests_for(attempt.policy).with(attempt.kept);
        Ok(SealingSource::new(source, Arc::clone(&attempt.upload.dek), plan, digests, &self.inner.md5, None)?)
    }

    /// Writes the row of an attempt, and says which ETag it has for clients.
    async fn note(
        &self,
        attempt: &Attempt<'_>,
        sealed: &Sealed,
        place: PartPlace,
        modified: Timestamp,
    ) -> Result<ETag, ObjectError> {
        let salt = sealed.parts.first().ok_or(ObjectError::Row("a part was not sealed"))?.salt;
        let digest = sealed.digests.digest(attempt.kept).ok_or(ObjectError::Row("no checksum was made"))?;
        let etag = new_etag(attempt.policy, &sealed.digests)?;
        let known = PartDigests { etag, digests: vec![digest] };
        let row = PartRow {
            number: attempt.number,
            salt,
            plaintext_bytes: attempt.plaintext_bytes,
            sealed_digests: attempt.upload.seal_digests(attempt.number, &salt, &known),
            place,
            stored_bytes: attempt.stored_bytes,
            finished_seq: 0,
            modified,
        };
        let inserted = self.inner.store.insert_part(&attempt.upload.row.upload_id, row).await.map_err(row_error)?;
        self.drop_held(attempt.bucket, &inserted.dropped_held_keys).await;
        Ok(etag)
    }

    /// Puts the upstream's answer into the row.
    async fn answered(
        &self,
        attempt: &Attempt<'_>,
        sealed: Sealed,
        etag: ETag,
        at_upstream: &UpstreamEtag,
    ) -> Result<StoredAttempt, ObjectError> {
        let salt = sealed.parts.first().ok_or(ObjectError::Row("a part was not sealed"))?.salt;
        let (upload, modified) = (&attempt.upload.row.upload_id, self.inner.clock.now());
        let answered = self.inner.store.answer_part(upload, attempt.number, salt, at_upstream.0.to_string(), modified);
        answered.await.map_err(row_error)?;
        Ok(StoredAttempt { etag, digests: sealed.digests, modified })
    }
}

/// Notes an attempt down before its end goes up.
struct Noting<'a> {
    objects: &'a Objects,
    attempt: &'a Attempt<'a>,
    etag: Option<ETag>,
}

#[async_trait]
impl BeforeEnd for Noting<'_> {
    async fn sealed(&mut self, sealed: &Sealed) -> Result<(), ObjectError> {
        let now = self.objects.inner.clock.now();
        self.etag = Some(self.objects.note(self.attempt, sealed, PartPlace::Sent, now).await?);
        Ok(())
    }
}

/// The upload ended while a part of it was on its way.
fn row_error(error: StoreError) -> ObjectError {
    match error {
        StoreError::NoParent => ObjectError::NoSuchUpload,
        error => error.into(),
    }
}

/// The source's own reason comes before the upstream's, which only says that the body ended.
fn settle<T>(sealing: SealingSource<'_>, outcome: Result<T, UpstreamError>) -> Result<(Sealed, T), ObjectError> {
    match outcome {
        Ok(stored) => Ok((sealing.finish()?, stored)),
        Err(UpstreamError::Body(refused)) => Err(sealing.finish().err().unwrap_or(UpstreamError::Body(refused).into())),
        Err(error) => Err(upstream_error(error)),
    }
}
