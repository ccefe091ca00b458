//! Listings: one upstream LIST and one index query a page; what the index does not know is read from the objects.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use crate::base::{ChecksumAlgorithm, ChecksumType, ETag, ObjectKey, Timestamp};
use crate::keys::BucketKey;
use crate::store::BucketRow;
use crate::store::index::IndexRow;
use crate::upstream::{ListRequest, ListedObject, UpstreamError};

use super::Objects;
use super::condition::upstream_error;
use super::error::ObjectError;
use super::facts::ListedFacts;
use super::foreign::{foreign_etag, opaque_etag};
use super::policy::ForeignObjects;
use super::remember::open_row;

/// How many unknown objects of a page are asked about at a time.
const CONCURRENT_FOOTER_READS: usize = 16;

/// One listed object, as every other answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEntry {
    /// The key.
    pub key: ObjectKey,
    /// The plaintext length in bytes; the stored length of an object that cannot be verified.
    pub plaintext_bytes: u64,
    /// The client-visible ETag; an opaque one for an object that cannot be verified.
    pub etag: ETag,
    /// By the upstream's clock.
    pub last_modified: Timestamp,
    /// Algorithm and type of its checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects, by key in byte order.
    pub entries: Vec<ListedEntry>,
    /// Common prefixes in byte order.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts.
    pub next_after: Option<String>,
}

impl Objects {
    /// One page of a bucket.
    pub async fn list(&self, bucket: &BucketRow, request: &ListRequest) -> Result<Listing, ObjectError> {
        let page = self.upstream(bucket)?.list_objects(&bucket.name, request).await.map_err(upstream_error)?;
        let keys: Vec<ObjectKey> = page.objects.iter().map(|object| object.key.clone()).collect();
        let rows = self.inner.index.lookup_page(bucket.bucket_id, &keys).await;
        let mut entries: Vec<Option<ListedEntry>> = Vec::with_capacity(keys.len());
        let mut unknown = Vec::new();
        let mut key = None;
        for (at, object) in page.objects.into_iter().enumerate() {
            let row = rows.get(&object.key);
            let known = self.by_row(bucket, row, &object, &mut key).await;
            if known.is_none() {
                unknown.push((at, row.is_some(), object));
            }
            entries.push(known);
        }
        let mut answers = stream::iter(unknown)
            .map(|(at, has_row, object)| async move { (at, self.looked_at(bucket, has_row, object).await) })
            .buffer_unordered(CONCURRENT_FOOTER_READS);
        while let Some((at, entry)) = answers.next().await {
            entries[at] = entry?;
        }
        let entries = entries.into_iter().flatten().collect();
        Ok(Listing { entries, common_prefixes: page.common_prefixes, next_after: page.next_after })
    }

    /// What a valid row says. `key` is the bucket key of the row before: nearly always this one's too.
    async fn by_row(
        &self,
        bucket: &BucketRow,
        row: Option<&IndexRow>,
        object: &ListedObject,
        key: &mut Option<Arc<BucketKey>>,
    ) -> Option<ListedEntry> {
        let row = row.filter(|row| {
            *row.upstream_etag == *object.facts.etag.0 && row.stored_bytes == object.facts.stored_bytes
        })?;
        if key.as_ref().is_none_or(|key| key.id() != row.key_id) {
            *key = self.inner.keys.by_id(bucket.domain_id, row.key_id).await.ok();
        }
        let known = open_row(row, key.as_ref()?).ok()?;
        Some(entry_of(object.key.clone(), row.plaintext_bytes, &known, object.facts.last_modified))
    }

    /// What the object itself says; `None` when it is gone by now.
    async fn looked_at(
        &self,
        bucket: &BucketRow,
        has_row: bool,
        object: ListedObject,
    ) -> Result<Option<ListedEntry>, ObjectError> {
        let passes = !has_row && self.inner.policies.of(bucket).foreign == ForeignObjects::Pass;
        if self.seen_foreign.contains(bucket, &object.key, &object.facts) {
            return Ok(Some(if passes { foreign(object) } else { unverified(object) }));
        }
        match self.ask(bucket, &object.key, None).await {
            Ok(current) => {
                let listed = ListedFacts::of(&current.facts);
                Ok(Some(entry_of(object.key, current.facts.plaintext_bytes(), &listed, listed.last_modified)))
            }
            Err(ObjectError::NoSuchKey) => Ok(None),
            Err(ObjectError::Foreign { found }) if passes => {
                self.seen_foreign.insert(bucket, &object.key, &found.stored);
                Ok(Some(foreign(ListedObject { facts: found.stored, ..object })))
            }
            Err(error) if is_lasting(&error) => {
                if let ObjectError::Foreign { found } = &error {
                    self.seen_foreign.insert(bucket, &object.key, &found.stored);
                }
                tracing::warn!(%error, bucket = %bucket.name, key = %object.key, "a listed object cannot be verified");
                Ok(Some(unverified(object)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether asking again would not help: the object is damaged or foreign, its key is gone for good, or its name is one
/// that the upstream takes for another. One such object
/// must not make the others of its page unlistable; and a key that will be back must not change what is listed.
pub(super) fn is_lasting(error: &ObjectError) -> bool {
    match error {
        ObjectError::Foreign { .. }
        | ObjectError::Integrity(_)
        | ObjectError::Upstream(UpstreamError::Broken(_) | UpstreamError::Unsupported(_)) => true,
        ObjectError::Keys(keys) => keys.is_lasting(),
        _ => false,
    }
}

fn entry_of(key: ObjectKey, plaintext_bytes: u64, listed: &ListedFacts, last_modified: Timestamp) -> ListedEntry {
    ListedEntry { key, plaintext_bytes, etag: listed.etag, last_modified, checksum: listed.checksum }
}

/// One that may be read: what is stored is what a reader gets.
fn foreign(object: ListedObject) -> ListedEntry {
    let etag = foreign_etag(&object.facts.etag);
    ListedEntry { etag, ..unverified(object) }
}

/// Shown so that it can be found and deleted: its stored size, and an ETag that changes when it does.
fn unverified(object: ListedObject) -> ListedEntry {
    ListedEntry {
        key: object.key,
        plaintext_bytes: object.facts.stored_bytes,
        etag: opaque_etag(&object.facts.etag),
        last_modified: object.facts.last_modified,
        checksum: None,
    }
}
