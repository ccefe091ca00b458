//! Listings: one upstream LIST and one index query a page; what the index does not know is read from the objects.

use futures_util::stream::{self, StreamExt};

use crate::base::{ChecksumAlgorithm, ChecksumType, ETag, ObjectKey, Timestamp};
use crate::store::BucketRow;
use crate::store::index::IndexRow;
use crate::upstream::{ListRequest, ListedObject, UpstreamError};

use super::Objects;
use super::condition::upstream_error;
use super::error::ObjectError;
use super::facts::ListedFacts;
use super::foreign::{foreign_etag, opaque_etag};
use super::policy::ForeignObjects;

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
        let entries = stream::iter(page.objects)
            .map(|object| self.entry(bucket, rows.get(&object.key), object))
            .buffered(CONCURRENT_FOOTER_READS)
            .collect::<Vec<_>>()
            .await;
        let entries = entries.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        Ok(Listing { entries, common_prefixes: page.common_prefixes, next_after: page.next_after })
    }

    /// `None` for an object that is gone by now.
    async fn entry(
        &self,
        bucket: &BucketRow,
        row: Option<&IndexRow>,
        object: ListedObject,
    ) -> Result<Option<ListedEntry>, ObjectError> {
        let valid = row
            .filter(|row| *row.upstream_etag == *object.facts.etag.0 && row.stored_bytes == object.facts.stored_bytes);
        if let Some(row) = valid
            && let Ok(known) = self.listed_facts(bucket, row).await
        {
            return Ok(Some(entry_of(object.key, row.plaintext_bytes, &known, object.facts.last_modified)));
        }
        let passes = row.is_none() && self.inner.policies.of(bucket).foreign == ForeignObjects::Pass;
        if self.seen_foreign.contains(bucket, &object.key, &object.facts) {
            return Ok(Some(if passes { foreign(object) } else { unverified(object) }));
        }
        // On the heap, because it is large: a warm page moves a thousand of these about and never asks.
        match Box::pin(self.ask(bucket, &object.key, None)).await {
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

/// Whether asking again would not help: the object is damaged or foreign, or its key is gone for good. One such object
/// must not make the others of its page unlistable; and a key that will be back must not change what is listed.
fn is_lasting(error: &ObjectError) -> bool {
    match error {
        ObjectError::Foreign { .. } | ObjectError::Integrity(_) | ObjectError::Upstream(UpstreamError::Broken(_)) => {
            true
        }
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
