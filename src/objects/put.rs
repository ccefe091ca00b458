//! PutObject: seal a body under a DEK of its own, publish it, remember what it is.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::limits::MAX_OBJECT_BYTES;
use crate::base::{
    BodyId, ChecksumAlgorithm, ChecksumType, ETag, FooterId, ObjectChecksum, ObjectKey, PrincipalId, Timestamp, random,
};
use crate::envelope::footer::sealed_footer_len;
use crate::envelope::manifest::MAX_MANIFEST_BYTES;
use crate::envelope::{ContentHeader, Manifest, ManifestPart, ObjectName, WrappedDek, layout, seal_footer};
use crate::hashing::{DigestSet, Digests};
use crate::keys::UnwrappedDek;
use crate::store::BucketRow;
use crate::upstream::{ObjectRef, PutBody, StoredFacts, Tags, UpstreamError, VersionId, WriteCondition};

use super::Objects;
use super::condition::{GuardedWrite, WriteGuard};
use super::error::ObjectError;
use super::facts::ObjectFacts;
use super::policy::EtagPolicy;
use super::remember::WrittenFooter;
use super::seal::{BeforeEnd, FooterMaker, PartPlan, Sealed, SealingSource};
use super::source::PlainSource;
use super::spool::Route;

/// What a client says of an object that it writes.
#[derive(Clone)]
pub struct NewObject {
    /// Content-Type and the like, values as sent.
    pub content_headers: Vec<(ContentHeader, Vec<u8>)>,
    /// `x-amz-meta-*`: lower-case names without the prefix, values as sent.
    pub user_metadata: Vec<(Vec<u8>, Vec<u8>)>,
    /// Who writes.
    pub owner: PrincipalId,
    /// Tags; the upstream keeps them in clear.
    pub tags: Tags,
}

/// An object to put.
pub struct PutObject<'a> {
    /// The bucket.
    pub bucket: &'a BucketRow,
    /// The key.
    pub key: &'a ObjectKey,
    /// The promised length in bytes.
    pub plaintext_bytes: u64,
    /// Headers, metadata, tags.
    pub object: NewObject,
    /// The checksum to keep.
    pub checksum: ChecksumAlgorithm,
    /// What must hold for the destination.
    pub guard: WriteGuard,
}

/// An object as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The client-visible ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// The upstream's version, where there is one.
    pub version: Option<VersionId>,
    /// By the upstream's clock.
    pub last_modified: Timestamp,
    /// The plaintext length in bytes.
    pub plaintext_bytes: u64,
}

impl Written {
    pub(super) fn of(facts: &ObjectFacts) -> Self {
        Self {
            etag: facts.etag(),
            checksum: facts.checksum(),
            version: facts.version.clone(),
            last_modified: facts.last_modified,
            plaintext_bytes: facts.plaintext_bytes(),
        }
    }
}

/// Keys of a body that is about to be written, and how they travel in its trailer.
pub(super) struct NewBody {
    pub(super) dek: Arc<UnwrappedDek>,
    pub(super) body_id: BodyId,
    pub(super) name: ObjectName,
    pub(super) wrapped: WrappedDek,
}

/// A body to write under a name: its parts, its manifest as far as it is known, and where the rest comes from.
pub(super) struct NewStored<'a> {
    pub(super) bucket: &'a BucketRow,
    pub(super) key: &'a ObjectKey,
    pub(super) plan: Vec<PartPlan>,
    /// Of the same encoded length as the final manifest.
    pub(super) draft: Manifest,
    pub(super) digests: DigestSet,
    pub(super) tags: &'a Tags,
    pub(super) guard: WriteGuard,
}

impl Objects {
    /// Stores an object. Nothing is published unless `source` verified.
    pub async fn put(&self, put: PutObject<'_>, source: &mut dyn PlainSource) -> Result<Written, ObjectError> {
        let policy = self.inner.policies.of(put.bucket).etag;
        let draft = Manifest {
            plaintext_bytes: put.plaintext_bytes,
            etag: ETag::Opaque([0; 16]),
            checksums: vec![placeholder(put.checksum)?],
            parts: vec![ManifestPart::single(put.plaintext_bytes, [0; 24])],
            content_headers: put.object.content_headers,
            user_metadata: put.object.user_metadata,
            owner: put.object.owner,
            created: self.inner.clock.now(),
        };
        let stored = NewStored {
            bucket: put.bucket,
            key: put.key,
            plan: vec![PartPlan { number: 0, plaintext_bytes: put.plaintext_bytes }],
            draft,
            digests: digests_for(policy).with(put.checksum),
            tags: &put.object.tags,
            guard: put.guard,
        };
        let checksum = put.checksum;
        let facts = self
            .write_stored(stored, source, move |manifest, sealed| {
                let digest = sealed.digests.digest(checksum).ok_or(ObjectError::Row("no checksum was made"))?;
                manifest.etag = new_etag(policy, &sealed.digests)?;
                manifest.checksums = vec![ObjectChecksum { digest, kind: ChecksumType::FullObject, parts: 0 }];
                Ok(())
            })
            .await?;
        Ok(Written::of(&facts))
    }

    /// Makes the keys of a new body.
    pub(super) async fn new_body(&self, bucket: &BucketRow, key: &ObjectKey) -> Result<NewBody, ObjectError> {
        let body_id = BodyId::generate();
        let name = ObjectName::new(&bucket.bucket_id, key.as_bytes());
        let (dek, wrapped) = self.inner.keys.new_dek(bucket.domain_id, &body_id, &name).await?;
        Ok(NewBody { dek, body_id, name, wrapped })
    }

    /// Writes a body in one upstream PUT. `settle` completes the draft manifest with what the sealing found out.
    pub(super) async fn write_stored(
        &self,
        new: NewStored<'_>,
        source: &mut dyn PlainSource,
        settle: impl FnOnce(&mut Manifest, &Sealed) -> Result<(), ObjectError> + Send,
    ) -> Result<ObjectFacts, ObjectError> {
        let body = self.new_body(new.bucket, new.key).await?;
        let stored_bytes = self.stored_bytes(&new)?;
        self.check_tags(new.bucket, new.tags)?;
        let condition = self.condition(new.bucket, new.key, &new.guard, GuardedWrite::Put).await?;
        let NewStored { bucket, key, plan, mut draft, digests, tags, guard } = new;
        let footer_id = FooterId::generate();
        let mut footer = Vec::new();
        let make: FooterMaker<'_> = {
            let (draft, footer, body) = (&mut draft, &mut footer, &body);
            Box::new(move |sealed| {
                for (part, sealed) in draft.parts.iter_mut().zip(&sealed.parts) {
                    part.salt = sealed.salt;
                }
                settle(draft, sealed)?;
                let made = seal_footer(body.dek.keys(), &body.name, &body.wrapped, footer_id, draft, random::bytes())?;
                footer.clone_from(&made);
                Ok(made)
            })
        };
        let mut same_bucket = SameBucket { objects: self, bucket };
        let mut sealing =
            SealingSource::new(source, Arc::clone(&body.dek), plan, digests, &self.inner.md5, Some(make))?
                .before_end(&mut same_bucket);
        let put = PutBody { stored_bytes, source: &mut sealing };
        let outcome = match self.route(bucket)? {
            Route::Direct => self.upstream(bucket)?.put_object(&bucket.name, key, put, condition, tags).await,
            Route::Verified => self.put_verified(bucket, key, put, condition, tags).await,
        };
        let sealed = sealing.finish();
        let stored = match outcome {
            Ok(stored) => stored,
            Err(refused @ UpstreamError::Body(_)) => return Err(sealed.err().unwrap_or(refused.into())),
            Err(error) => return Err(self.refused_write(bucket, key, &guard, error).await),
        };
        sealed?;
        if let Err(error) = self.check_bucket(bucket).await {
            self.take_back(bucket, key, &stored).await;
            return Err(error);
        }
        let footer = WrittenFooter { wrapped: &body.wrapped, footer_id, bytes: footer.into() };
        Ok(self.remember_written(bucket, key, draft, &stored, footer).await)
    }

    /// The bucket was removed and made again under a body that took its time: nobody can read what was written, because
    /// it is bound to the bucket that is gone.
    pub(super) async fn take_back(&self, bucket: &BucketRow, key: &ObjectKey, stored: &StoredFacts) {
        let object = ObjectRef::current(&bucket.name, key);
        let Ok(upstream) = self.upstream(bucket) else { return };
        let condition = match upstream.capabilities().conditional_writes.delete {
            true => WriteCondition::Matches(stored.etag.clone()),
            // The next best: what somebody else has written since stays.
            false => match upstream.head_object(&object).await {
                Ok(now) if now.etag == stored.etag => WriteCondition::None,
                _ => return,
            },
        };
        match upstream.delete_object(&object, condition).await {
            Ok(_) | Err(UpstreamError::NoSuchKey | UpstreamError::NoSuchBucket | UpstreamError::PreconditionFailed) => {
            }
            Err(error) => tracing::warn!(%error, "an object of a bucket that is gone was left behind"),
        }
    }

    fn stored_bytes(&self, new: &NewStored<'_>) -> Result<u64, ObjectError> {
        let plaintext_bytes = new.draft.plaintext_bytes;
        let too_large = ObjectError::TooLarge { plaintext_bytes };
        if plaintext_bytes > MAX_OBJECT_BYTES {
            return Err(too_large);
        }
        let footer = Some(new.draft.encoded_len())
            .filter(|&bytes| bytes <= MAX_MANIFEST_BYTES)
            .and_then(sealed_footer_len)
            .ok_or(ObjectError::MetadataTooLarge)?;
        let stored = new.plan.iter().try_fold(footer, |sum, part| {
            layout::stored_part_bytes(part.plaintext_bytes).and_then(|bytes| bytes.checked_add(sum))
        });
        match stored {
            Some(stored) if stored <= self.upstream(new.bucket)?.capabilities().max_put_bytes => Ok(stored),
            _ => Err(too_large),
        }
    }
}

/// A body that outlived its bucket must not replace what the new one of the same name holds.
struct SameBucket<'a> {
    objects: &'a Objects,
    bucket: &'a BucketRow,
}

#[async_trait]
impl BeforeEnd for SameBucket<'_> {
    async fn sealed(&mut self, _sealed: &Sealed) -> Result<(), ObjectError> {
        self.objects.check_bucket(self.bucket).await
    }
}

/// What an ETag needs of a body: nothing in a bucket whose ETags are opaque.
pub(super) const fn digests_for(policy: EtagPolicy) -> DigestSet {
    match policy {
        EtagPolicy::Md5 => DigestSet::none().with_md5(),
        EtagPolicy::Opaque => DigestSet::none(),
    }
}

/// The ETag of a body or a part. An opaque one is drawn anew, even where an MD5 was made for the sender's Content-MD5.
pub(super) fn new_etag(policy: EtagPolicy, digests: &Digests) -> Result<ETag, ObjectError> {
    match policy {
        EtagPolicy::Md5 => digests.md5().map(ETag::Md5).ok_or(ObjectError::Row("no MD5 was made")),
        EtagPolicy::Opaque => Ok(ETag::Opaque(random::bytes())),
    }
}

/// A checksum as wide as the one to come.
pub(super) fn placeholder(algorithm: ChecksumAlgorithm) -> Result<ObjectChecksum, ObjectError> {
    let zeros = [0; 32];
    let digest = crate::base::Digest::new(algorithm, &zeros[..algorithm.digest_bytes()])
        .ok_or(ObjectError::Row("a digest of another length"))?;
    Ok(ObjectChecksum { digest, kind: ChecksumType::FullObject, parts: 0 })
}
