//! Objects that were not made here, in buckets that let them pass: the stored bytes, and what the upstream says of them.
//!
//! Anything with the magic or with an index row is never foreign, so a store cannot replace by plaintext what is known
//! here. What the store puts under other keys is believed: such a bucket has no integrity.

use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, digest};
use moka::sync::Cache;

use crate::base::{ETag, Md5, ObjectKey};
use crate::envelope::{ContentHeader, Manifest, ManifestPart};
use crate::store::BucketRow;
use crate::upstream::{Described, ObjectRef, StoredFacts, StoredRange, UpstreamError, UpstreamEtag, VersionId};

use super::Objects;
use super::condition::upstream_error;
use super::error::ObjectError;
use super::facts::{ObjectFacts, Provenance};
use super::open::Opened;
use super::policy::ForeignObjects;
use super::read::PlainReader;

/// What an object is that says nothing of itself.
const CONTENT_TYPE: &[u8] = b"application/octet-stream";
/// How many foreign objects are remembered, so that listing them again asks for none of them: some 100 bytes each.
const REMEMBERED: u64 = 1 << 16;

/// What was found under a key that was not made here.
#[derive(Clone, Debug)]
pub struct ForeignObject {
    /// Its size, ETag and date.
    pub stored: StoredFacts,
    /// Its headers and metadata.
    pub described: Described,
}

/// Foreign objects that were looked at: a listing of a bucket that is being migrated would read them over and over.
pub(super) struct SeenForeign(Cache<[u8; 16], ()>);

impl Default for SeenForeign {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl SeenForeign {
    pub(super) fn insert(&self, bucket: &BucketRow, key: &ObjectKey, stored: &StoredFacts) {
        self.0.insert(name_of(bucket, key, stored), ());
    }

    /// Whether exactly these stored bytes were found to be foreign.
    pub(super) fn contains(&self, bucket: &BucketRow, key: &ObjectKey, stored: &StoredFacts) -> bool {
        self.0.contains_key(&name_of(bucket, key, stored))
    }
}

fn name_of(bucket: &BucketRow, key: &ObjectKey, stored: &StoredFacts) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    context.update(bucket.bucket_id.as_bytes());
    context.update(&stored.stored_bytes.to_be_bytes());
    context.update(&(key.as_bytes().len() as u64).to_be_bytes());
    context.update(key.as_bytes());
    context.update(stored.etag.0.as_bytes());
    first_half(context.finish().as_ref())
}

fn first_half(digest: &[u8]) -> [u8; 16] {
    digest.first_chunk().copied().unwrap_or_default()
}

impl Objects {
    /// Whether an object without the magic is handed through under this key.
    pub(super) async fn may_pass(&self, bucket: &BucketRow, key: &ObjectKey) -> bool {
        self.inner.policies.of(bucket).foreign == ForeignObjects::Pass
            && !self.inner.index.may_know(bucket.bucket_id, key).await
    }

    /// The index may be wrong about this key. Rows prove themselves, so an old one does no harm; and where foreign
    /// objects pass, it is the memory that this object was ours, which a store must not be able to wipe out.
    pub(super) fn doubt(&self, bucket: &BucketRow, key: &ObjectKey) {
        if self.inner.policies.of(bucket).foreign == ForeignObjects::Refuse {
            self.inner.index.forget(bucket.bucket_id, key);
        }
    }

    /// Opens what was just found to be foreign: exactly these bytes, or `None` when they changed meanwhile.
    pub(super) async fn open_foreign<D>(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&VersionId>,
        found: Box<ForeignObject>,
        select: impl Fn(&ObjectFacts) -> (D, Option<Range<u64>>),
    ) -> Result<Option<Opened<D>>, ObjectError> {
        let object = ObjectRef { version: version.cloned(), ..ObjectRef::current(&bucket.name, key) };
        if !self.may_pass(bucket, key).await {
            return match self.inner.policies.of(bucket).foreign {
                ForeignObjects::Refuse => Err(ObjectError::Foreign { found }),
                ForeignObjects::Pass => self.known_but_foreign(bucket, &object, found).await.map(|()| None),
            };
        }
        let stored = found.stored.clone();
        let facts = foreign_facts(bucket, *found);
        let (decision, range) = select(&facts);
        let body = match range {
            None => None,
            Some(range) if range.is_empty() => Some(PlainReader::empty()),
            Some(range) => {
                let slice = StoredRange::Slice { offset: range.start, len: range.end - range.start };
                let reply = match self.upstream(bucket)?.get_object(&object, slice, Some(&stored.etag)).await {
                    Ok(reply) => reply,
                    Err(UpstreamError::PreconditionFailed | UpstreamError::InvalidRange) => return Ok(None),
                    Err(error) => return Err(upstream_error(error)),
                };
                // Some ignore If-Match; and the object that is there now may be one of ours.
                if reply.facts.etag != stored.etag || reply.facts.stored_bytes != stored.stored_bytes {
                    return Ok(None);
                }
                if (reply.offset..reply.offset.saturating_add(reply.len)) != range {
                    return Err(UpstreamError::Broken("another range than was asked for".into()).into());
                }
                Some(PlainReader::as_stored(reply.body, reply.len).await?)
            }
        };
        Ok(Some(Opened { facts, decision, body }))
    }

    /// An object that the index knows was found to be foreign: either it became ours this moment, and is worth another
    /// look, or the store has put something else in its place.
    async fn known_but_foreign(
        &self,
        bucket: &BucketRow,
        object: &ObjectRef,
        found: Box<ForeignObject>,
    ) -> Result<(), ObjectError> {
        let now = self.upstream(bucket)?.head_object(object).await.map_err(upstream_error)?;
        match now.etag == found.stored.etag && now.stored_bytes == found.stored.stored_bytes {
            true => Err(ObjectError::Foreign { found }),
            false => Ok(()),
        }
    }
}

/// What clients see of a foreign object.
fn foreign_facts(bucket: &BucketRow, found: ForeignObject) -> ObjectFacts {
    let ForeignObject { stored, described: Described { headers: mut content_headers, metadata: user_metadata } } =
        found;
    if content_headers.iter().all(|(header, _)| *header != ContentHeader::ContentType) {
        content_headers.push((ContentHeader::ContentType, CONTENT_TYPE.to_vec()));
    }
    ObjectFacts {
        manifest: Arc::new(Manifest {
            plaintext_bytes: stored.stored_bytes,
            etag: foreign_etag(&stored.etag),
            checksums: Vec::new(),
            parts: vec![ManifestPart::single(stored.stored_bytes, [0; 24])],
            content_headers,
            user_metadata,
            owner: bucket.owner,
            created: stored.last_modified,
        }),
        provenance: Provenance::Foreign,
        last_modified: stored.last_modified,
        version: stored.version,
        tag_count: stored.tag_count,
    }
}

/// The upstream's ETag, where it looks like one of S3's; else one that changes when it does.
pub(super) fn foreign_etag(etag: &UpstreamEtag) -> ETag {
    let is_lower_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let md5 = |text: &str| {
        let bytes = hex::decode(text).ok().filter(|_| is_lower_hex(text))?;
        bytes.try_into().ok().map(Md5)
    };
    let multipart = |text: &str| {
        let (digest, parts) = text.split_once('-')?;
        let count =
            parts.parse().ok().filter(|count: &u16| (1..=10_000).contains(count) && count.to_string() == parts)?;
        Some(ETag::Multipart(md5(digest)?, count))
    };
    md5(&etag.0).map(ETag::Md5).or_else(|| multipart(&etag.0)).unwrap_or_else(|| opaque_etag(etag))
}

/// An ETag that says nothing and changes with the upstream's.
pub(super) fn opaque_etag(etag: &UpstreamEtag) -> ETag {
    ETag::Opaque(first_half(digest(&SHA256, etag.0.as_bytes()).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_of_s3_are_shown_as_they_are() {
        let md5 = "0123456789abcdef0123456789abcdef";
        for etag in [md5.to_owned(), format!("{md5}-1"), format!("{md5}-10000")] {
            assert_eq!(foreign_etag(&UpstreamEtag(etag.as_str().into())).to_string(), etag);
        }
        for etag in ["", "abc", &md5.to_uppercase(), &format!("{md5}-0"), &format!("{md5}-01"), &format!("{md5}-10001")]
        {
            let shown = foreign_etag(&UpstreamEtag((*etag).into()));
            assert!(matches!(shown, ETag::Opaque(_)), "{etag}");
            assert_eq!(shown, foreign_etag(&UpstreamEtag((*etag).into())), "the same every time");
        }
    }
}
