//! From a name to a verified footer: with a warm index without asking the upstream, else by one suffix GET.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{BodyId, ObjectKey};
use crate::envelope::{Footer, ObjectName, TRAILER_BYTES, Trailer};
use crate::keys::UnwrappedDek;
use crate::store::BucketRow;
use crate::upstream::{GetReply, ObjectRef, StoredFacts, StoredRange, UpstreamError, UpstreamEtag, VersionId};

use super::Objects;
use super::able::suffix;
use super::condition::upstream_error;
use super::error::ObjectError;
use super::facts::{ObjectFacts, Provenance};
use super::foreign::ForeignObject;
use super::read::{PlainReader, StoredSource, read_whole};
use super::remember::WrittenFooter;

/// How much of an object's end the first GET of an unknown object asks for: the footer of up to about 500 parts,
/// and all of a small object.
const SUFFIX_BYTES: u64 = 64 << 10;
/// How often a read starts again because the object changed underneath. A stale index row is no such change: asking the
/// upstream in its place is not counted.
const MAX_RESTARTS: usize = 1;

/// An object that was opened for reading, with what the caller decided on its facts.
pub struct Opened<D> {
    /// Its facts.
    pub facts: ObjectFacts,
    /// What `select` decided on exactly these facts.
    pub decision: D,
    /// The plaintext of the range that `select` asked for.
    pub body: Option<PlainReader>,
}

/// What [`Objects::open`] found.
pub(super) struct Found<D> {
    pub(super) opened: Opened<D>,
    /// Exactly this object, confirmed by the upstream.
    pub(super) stored: StoredFacts,
    /// What it is sealed under; `None` of a foreign one.
    pub(super) dek: Option<Arc<UnwrappedDek>>,
}

/// A verified footer and where it came from.
pub(super) struct Current {
    pub(super) facts: ObjectFacts,
    pub(super) footer: Footer,
    pub(super) dek: Arc<UnwrappedDek>,
    pub(super) stored: StoredFacts,
    origin: Origin,
}

enum Origin {
    /// The index said so; the upstream has not confirmed it yet.
    Index,
    /// The upstream said so just now. The end of the stored object is at hand.
    Upstream { suffix: Bytes },
}

/// What a pinned request found: exactly the expected object.
struct Pinned {
    body: Option<PlainReader>,
    stored: StoredFacts,
}

impl Objects {
    /// Opens an object. `select` decides on its verified facts which plaintext is wanted, if any; it is called again
    /// when the index turns out to be stale. With a warm index this is one upstream request, pinned by If-Match.
    pub async fn get<D>(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
        select: impl Fn(&ObjectFacts) -> (D, Option<Range<u64>>),
    ) -> Result<Opened<D>, ObjectError> {
        Ok(self.open(bucket, key, version, select).await?.opened)
    }

    /// The same, with all that is known of the object.
    pub(super) async fn open<D>(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
        select: impl Fn(&ObjectFacts) -> (D, Option<Range<u64>>),
    ) -> Result<Found<D>, ObjectError> {
        for _ in 0..=MAX_RESTARTS {
            match self.open_sealed(bucket, key, version, &select).await {
                Err(ObjectError::Foreign { found }) => {
                    let looked_at = found.stored.clone();
                    if let Some(opened) = self.open_foreign(bucket, key, version, found, &select).await? {
                        return Ok(Found { opened, stored: looked_at, dek: None });
                    }
                }
                outcome => return outcome,
            }
        }
        Err(changing())
    }

    async fn open_sealed<D>(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
        select: impl Fn(&ObjectFacts) -> (D, Option<Range<u64>>),
    ) -> Result<Found<D>, ObjectError> {
        let mut current = match version {
            None => self.current(bucket, key).await?,
            Some(_) => self.ask(bucket, key, version).await?,
        };
        let mut restarts = MAX_RESTARTS + usize::from(!current.is_confirmed());
        loop {
            let (decision, range) = select(&current.facts);
            let now = match self.fetch(bucket, key, &current, range).await? {
                Some(Pinned { body, stored }) if stored.last_modified == current.facts.last_modified => {
                    let mut facts = current.facts;
                    facts.tag_count = stored.tag_count;
                    let opened = Opened { facts, decision, body };
                    return Ok(Found { opened, stored, dek: Some(current.dek) });
                }
                Some(Pinned { stored, .. }) => Some(stored.last_modified),
                None => None,
            };
            restarts = restarts.checked_sub(1).ok_or_else(changing)?;
            match now {
                // The same bytes, stored again: decide again with the date that is true now.
                Some(last_modified) if current.is_confirmed() => current.facts.last_modified = last_modified,
                // So too when the index does not know the date: answers to PUT do not say it, and S3 dates an upload from
                // its beginning. Asking puts the row right, or every read of it would ask twice.
                Some(_) | None => current = self.ask(bucket, key, version).await?,
            }
        }
    }

    /// The current object under a key: from the index, unconfirmed, or from the upstream.
    pub(super) async fn current(&self, bucket: &BucketRow, key: &ObjectKey) -> Result<Current, ObjectError> {
        match self.known(bucket, key).await {
            Ok(Some(current)) => Ok(current),
            Ok(None) => self.ask(bucket, key, None).await,
            Err(ObjectError::Keys(error)) if !error.is_lasting() => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "an index row does not verify; asking the upstream");
                self.ask(bucket, key, None).await
            }
        }
    }

    /// What the index knows, verified as if it came from the store.
    async fn known(&self, bucket: &BucketRow, key: &ObjectKey) -> Result<Option<Current>, ObjectError> {
        let Some((row, Some(footer_bytes))) = self.inner.index.lookup_object(bucket.bucket_id, key).await else {
            return Ok(None);
        };
        let listed = self.listed_facts(bucket, &row).await?;
        let (dek, footer) = self.verify_footer(bucket, key, &footer_bytes, row.stored_bytes).await?;
        if footer.footer_id() != row.footer_id {
            return Err(ObjectError::Row("the index names another footer"));
        }
        let stored = StoredFacts {
            etag: UpstreamEtag(row.upstream_etag.as_str().into()),
            stored_bytes: row.stored_bytes,
            last_modified: listed.last_modified,
            version: None,
            tag_count: listed.tag_count,
        };
        Ok(Some(Current { facts: facts_of(&footer, &stored), footer, dek, stored, origin: Origin::Index }))
    }

    /// Asks the upstream: one suffix GET, a second one for a manifest that does not fit, and the index learns it.
    pub(super) async fn ask(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Current, ObjectError> {
        for _ in 0..=MAX_RESTARTS {
            match self.ask_once(bucket, key, version).await {
                // Replaced between the two GETs. The caller made no condition.
                Err(ObjectError::PreconditionFailed) => {}
                outcome => return outcome,
            }
        }
        Err(changing())
    }

    async fn ask_once(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Current, ObjectError> {
        let object = ObjectRef { bucket: bucket.name.clone(), key: key.clone(), version: version.cloned() };
        let mut reply = match suffix(self.upstream_for(bucket, key)?, &object, SUFFIX_BYTES).await {
            Ok(reply) => reply,
            Err(UpstreamError::NoSuchKey) => {
                self.doubt(bucket, key);
                return Err(ObjectError::NoSuchKey);
            }
            Err(error) => return Err(upstream_error(error)),
        };
        let stored = reply.facts.clone();
        let described = std::mem::take(&mut reply.described);
        check_suffix(&reply)?;
        let suffix = read_whole(reply).await?;
        let foreign = || ForeignObject { stored: stored.clone(), described };
        let footer_bytes = self.footer_of(bucket, &object, &stored, &suffix, foreign).await?;
        let (dek, footer) = self.verify_footer(bucket, key, &footer_bytes, stored.stored_bytes).await?;
        let facts = facts_of(&footer, &stored);
        if version.is_none() {
            let written =
                WrittenFooter { wrapped: footer.wrapped_dek(), footer_id: footer.footer_id(), bytes: footer_bytes };
            self.remember_read(bucket, key, &facts, &stored, written).await;
        }
        Ok(Current { facts, footer, dek, stored, origin: Origin::Upstream { suffix } })
    }

    /// M || T out of the end of an object, fetching what the end does not hold.
    async fn footer_of(
        &self,
        bucket: &BucketRow,
        object: &ObjectRef,
        stored: &StoredFacts,
        suffix: &Bytes,
        foreign: impl FnOnce() -> ForeignObject,
    ) -> Result<Bytes, ObjectError> {
        let trailer_at = suffix.len().checked_sub(TRAILER_BYTES).filter(|&at| Trailer::is_ours(&suffix[at..]));
        let Some(at) = trailer_at else {
            return Err(ObjectError::Foreign { found: Box::new(foreign()) });
        };
        let manifest_bytes = Trailer::parse(&suffix[at..], stored.stored_bytes)?.manifest_stored_bytes();
        let footer_bytes = u64::from(manifest_bytes) + TRAILER_BYTES as u64;
        let held = suffix.len() as u64;
        if footer_bytes <= held {
            return Ok(suffix.slice(suffix.len() - usize::try_from(footer_bytes).unwrap_or(0)..));
        }
        let range = StoredRange::Slice { offset: stored.stored_bytes - footer_bytes, len: footer_bytes };
        let reply =
            self.upstream(bucket)?.get_object(object, range, Some(&stored.etag)).await.map_err(upstream_error)?;
        read_whole(reply).await
    }

    async fn verify_footer(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        footer: &[u8],
        stored_bytes: u64,
    ) -> Result<(Arc<UnwrappedDek>, Footer), ObjectError> {
        let at = footer.len().checked_sub(TRAILER_BYTES).ok_or(ObjectError::Row("a footer without its trailer"))?;
        let trailer = Trailer::parse(&footer[at..], stored_bytes)?;
        let name = ObjectName::new(&bucket.bucket_id, key.as_bytes());
        let dek = self.inner.keys.open_dek(bucket.domain_id, &trailer.body_id(), &name, trailer.wrapped_dek()).await?;
        let footer = trailer.verify(dek.keys(), &name, &footer[..at])?;
        Ok((dek, footer))
    }

    /// Reads the wanted range of exactly this object, or only confirms that it is still there; `None` when it changed.
    async fn fetch(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        current: &Current,
        range: Option<Range<u64>>,
    ) -> Result<Option<Pinned>, ObjectError> {
        let object = ObjectRef { version: current.stored.version.clone(), ..ObjectRef::current(&bucket.name, key) };
        let upstream = self.upstream(bucket)?;
        let plan = match &range {
            None => None,
            Some(range) => {
                let plan = current.footer.range(current.dek.keys(), range.clone());
                Some((plan.ok_or(ObjectError::Row("a range outside the object"))?, range.end - range.start))
            }
        };
        // Nothing to read: no body is wanted, or that of an empty part.
        let Some((plan, plaintext_bytes)) = plan.filter(|(plan, _)| !plan.stored.is_empty()) else {
            let stored = match &current.origin {
                Origin::Upstream { .. } => Some(current.stored.clone()),
                Origin::Index => self.same(bucket, key, current, upstream.head_object(&object).await).await?,
            };
            let body = || range.is_some().then(PlainReader::empty);
            return Ok(stored.map(|stored| Pinned { body: body(), stored }));
        };
        if let Some(held) = current.held(&plan.stored) {
            let reader = PlainReader::start(plan.opener, StoredSource::Memory(held), plaintext_bytes).await?;
            return Ok(Some(Pinned { body: Some(reader), stored: current.stored.clone() }));
        }
        let slice = StoredRange::Slice { offset: plan.stored.start, len: plan.stored.end - plan.stored.start };
        let (facts, body) = match upstream.get_object(&object, slice, Some(&current.stored.etag)).await {
            Ok(reply) if (reply.offset..reply.offset.saturating_add(reply.len)) == plan.stored => {
                (Ok(reply.facts), Some(reply.body))
            }
            // Where If-Match is ignored: another object, perhaps a shorter one.
            Ok(reply) if reply.facts.etag != current.stored.etag => (Ok(reply.facts), None),
            Ok(_) => return Err(UpstreamError::Broken("another range than was asked for".into()).into()),
            Err(error) => (Err(error), None),
        };
        let (Some(stored), Some(body)) = (self.same(bucket, key, current, facts).await?, body) else {
            return Ok(None);
        };
        let reader = PlainReader::start(plan.opener, StoredSource::Upstream(body), plaintext_bytes).await?;
        Ok(Some(Pinned { body: Some(reader), stored }))
    }

    /// The upstream's facts, if they are of the object that was expected. (Backends exist that ignore If-Match on GET.)
    async fn same(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        current: &Current,
        reply: Result<StoredFacts, UpstreamError>,
    ) -> Result<Option<StoredFacts>, ObjectError> {
        match reply {
            Ok(stored) => {
                let expected = &current.stored;
                Ok((stored.etag == expected.etag && stored.stored_bytes == expected.stored_bytes).then_some(stored))
            }
            // Some look at the range before the condition, and the object has become shorter.
            Err(UpstreamError::PreconditionFailed | UpstreamError::InvalidRange) => Ok(None),
            Err(error) => {
                if matches!(error, UpstreamError::NoSuchKey) {
                    self.doubt(bucket, key);
                }
                Err(upstream_error(error))
            }
        }
    }
}

impl Current {
    /// Whether the upstream said so just now.
    pub(super) const fn is_confirmed(&self) -> bool {
        matches!(self.origin, Origin::Upstream { .. })
    }

    /// Which body the object has.
    pub(super) fn body_id(&self) -> BodyId {
        self.footer.body_id()
    }

    /// The stored bytes of `range`, where the suffix GET brought them along.
    fn held(&self, range: &Range<u64>) -> Option<Bytes> {
        let Origin::Upstream { suffix } = &self.origin else { return None };
        let held_from = self.stored.stored_bytes.checked_sub(suffix.len() as u64)?;
        let from = usize::try_from(range.start.checked_sub(held_from)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(held_from)?).ok()?;
        (from <= to && to <= suffix.len()).then(|| suffix.slice(from..to))
    }
}

/// An answer that is not the object's end says nothing of what is there: without this, a piece from the middle of an
/// object of ours would pass for a foreign one.
fn check_suffix(reply: &GetReply) -> Result<(), UpstreamError> {
    let stored_bytes = reply.facts.stored_bytes;
    let is_the_end = reply.offset.checked_add(reply.len) == Some(stored_bytes);
    match is_the_end && reply.len >= stored_bytes.min(TRAILER_BYTES as u64) {
        true => Ok(()),
        false => Err(UpstreamError::Broken("another range than the end that was asked for".into())),
    }
}

/// A reader made no condition that could have failed: it is told to come back.
fn changing() -> ObjectError {
    UpstreamError::Unavailable("the object is being replaced over and over".into()).into()
}

fn facts_of(footer: &Footer, stored: &StoredFacts) -> ObjectFacts {
    ObjectFacts {
        manifest: Arc::clone(footer.manifest()),
        provenance: Provenance::Sealed,
        last_modified: stored.last_modified,
        version: stored.version.clone(),
        tag_count: stored.tag_count,
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::base::Timestamp;
    use crate::upstream::{BodyReader, Described};

    struct Nothing;

    #[async_trait]
    impl BodyReader for Nothing {
        async fn read(&mut self, _into: &mut [u8]) -> Result<usize, UpstreamError> {
            Ok(0)
        }
    }

    /// The end of an object decides whether it is ours; what is not the end decides nothing.
    #[test]
    fn only_the_end_of_an_object_counts_as_its_end() {
        let trailer = TRAILER_BYTES as u64;
        let reply = |stored_bytes, offset, len| {
            let etag = UpstreamEtag("e".into());
            let last_modified = Timestamp::from_unix_millis(0);
            let facts = StoredFacts { etag, stored_bytes, last_modified, version: None, tag_count: 0 };
            check_suffix(&GetReply { facts, described: Described::default(), offset, len, body: Box::new(Nothing) })
        };
        for (stored_bytes, offset, len) in [
            (200_000, 200_000 - 65_536, 65_536),
            (200_000, 0, 200_000),
            (5, 0, 5),
            (0, 0, 0),
            (trailer + 1, 1, trailer),
        ] {
            assert!(reply(stored_bytes, offset, len).is_ok(), "{stored_bytes} {offset} {len}");
        }
        for (stored_bytes, offset, len) in [
            (200_000, 0, 65_536),
            (200_000, 200_000, 0),
            (200_000, 199_999, 1),
            (200_000, 199_999, 65_536),
            (5, 1, 4),
            (5, 0, 0),
            (1, u64::MAX, 2),
        ] {
            assert!(reply(stored_bytes, offset, len).is_err(), "{stored_bytes} {offset} {len}");
        }
    }
}
