//! The index: what is remembered of objects so that LIST, HEAD and GET need not ask for it again.
//!
//! Rows validate themselves: they hold the upstream's ETag and stored size, and one that does not match is a miss.
//! Losing them is slow, never wrong.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{FooterId, ObjectKey, random};
use crate::envelope::{Manifest, WrappedDek};
use crate::keys::BucketKey;
use crate::store::BucketRow;
use crate::store::index::{IndexRow, MAX_FOOTER_BYTES};
use crate::upstream::StoredFacts;

use super::Objects;
use super::error::ObjectError;
use super::facts::{ListedFacts, ObjectFacts, Provenance};

/// M || T as written, and what names and opens it.
pub(super) struct WrittenFooter<'a> {
    pub(super) wrapped: &'a WrappedDek,
    pub(super) footer_id: FooterId,
    pub(super) bytes: Bytes,
}

impl Objects {
    /// Puts an object into the index, written behind the answer. What cannot be remembered is only slower.
    pub(super) async fn remember(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        facts: &ObjectFacts,
        stored: &StoredFacts,
        footer: WrittenFooter<'_>,
    ) {
        let bucket_key = match self.inner.keys.by_id(bucket.domain_id, footer.wrapped.key_id()).await {
            Ok(bucket_key) => bucket_key,
            Err(error) => return tracing::warn!(%error, "an object was not put into the index"),
        };
        let mut row = IndexRow {
            bucket_id: bucket.bucket_id,
            key: key.clone(),
            version: Arc::default(),
            upstream_etag: stored.etag.0.to_string(),
            stored_bytes: stored.stored_bytes,
            plaintext_bytes: facts.plaintext_bytes(),
            sealed_facts: Bytes::new(),
            footer_id: footer.footer_id,
            key_id: footer.wrapped.key_id(),
            key_version: footer.wrapped.key_version(),
        };
        let listed = ListedFacts::of(facts).encode();
        row.sealed_facts = bucket_key.index_key().seal(&context(&row), random::bytes(), &listed).into();
        self.inner.index.record(row, Some(footer.bytes));
    }

    /// Remembers an object that was read. A footer that is too large for the index's file is gone after a restart, though
    /// its row is there: it comes back into memory, and nothing is written.
    pub(super) async fn remember_read(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        facts: &ObjectFacts,
        stored: &StoredFacts,
        footer: WrittenFooter<'_>,
    ) {
        if footer.bytes.len() > MAX_FOOTER_BYTES
            && let Some(row) = self.inner.index.lookup(bucket.bucket_id, key).await
            && self.is_row_of(bucket, &row, facts, stored, &footer).await
        {
            return self.inner.index.keep_footer(&row, footer.bytes);
        }
        self.remember(bucket, key, facts, stored, footer).await;
    }

    /// Whether a row says just what would be recorded now.
    async fn is_row_of(
        &self,
        bucket: &BucketRow,
        row: &IndexRow,
        facts: &ObjectFacts,
        stored: &StoredFacts,
        footer: &WrittenFooter<'_>,
    ) -> bool {
        let same = *row.upstream_etag == *stored.etag.0
            && row.stored_bytes == stored.stored_bytes
            && row.plaintext_bytes == facts.plaintext_bytes()
            && row.footer_id == footer.footer_id
            && row.key_id == footer.wrapped.key_id();
        same && self.listed_facts(bucket, row).await.is_ok_and(|listed| listed == ListedFacts::of(facts))
    }

    /// Puts what was just written into the index, and says what it is.
    pub(super) async fn remember_written(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        manifest: Manifest,
        stored: &StoredFacts,
        footer: WrittenFooter<'_>,
    ) -> ObjectFacts {
        let facts = ObjectFacts {
            manifest: Arc::new(manifest),
            provenance: Provenance::Sealed,
            last_modified: stored.last_modified,
            version: stored.version.clone(),
            tag_count: stored.tag_count,
        };
        self.remember(bucket, key, &facts, stored, footer).await;
        facts
    }

    /// Opens the sealed part of an index row.
    pub(super) async fn listed_facts(&self, bucket: &BucketRow, row: &IndexRow) -> Result<ListedFacts, ObjectError> {
        open_row(row, &*self.inner.keys.by_id(bucket.domain_id, row.key_id).await?)
    }
}

/// Opens the sealed part of a row under the bucket key that it names.
pub(super) fn open_row(row: &IndexRow, key: &BucketKey) -> Result<ListedFacts, ObjectError> {
    ListedFacts::decode(&key.index_key().open(&context(row), &row.sealed_facts)?)
}

/// Binds the sealed part of a row to all its other columns: an edited row does not open.
fn context(row: &IndexRow) -> Vec<u8> {
    let fields: [&[u8]; 10] = [
        b"index row\0",
        row.bucket_id.as_bytes(),
        row.footer_id.as_bytes(),
        row.key_id.as_bytes(),
        &row.key_version.to_be_bytes(),
        &row.stored_bytes.to_be_bytes(),
        &row.plaintext_bytes.to_be_bytes(),
        row.upstream_etag.as_bytes(),
        b"\0",
        row.key.as_bytes(),
    ];
    fields.concat()
}
