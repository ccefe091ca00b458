//! Listing a bucket in byte order. A common prefix costs one seek, however many keys lie below it: after a key that is
//! rolled up, the next row asked for is the first one behind the whole prefix.

use sqlx::sqlite::SqliteConnection;

use crate::base::{BucketName, ObjectKey, Timestamp};
use crate::upstream::{ListPage, ListRequest, ListedObject, StoredFacts, UpstreamError};

use super::LocalUpstream;
use super::bucket::bucket_id;
use super::fault::NamesError;
use super::row::{blob_name, etag, unsigned};

/// Rows of the first seek of a delimited listing, and of every one after rows that had to be thrown away.
const FIRST_ROWS: u32 = 16;

// Two statements: `?4 IS NULL OR key < ?4` would read on to the end of the bucket.
pub(super) const FETCH: &str = "SELECT key, etag, stored_bytes, last_modified_ms FROM object \
    WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
pub(super) const FETCH_BELOW: &str = "SELECT key, etag, stored_bytes, last_modified_ms FROM object \
    WHERE bucket = ?1 AND key >= ?2 AND key < ?4 ORDER BY key LIMIT ?3";

type Row = (Vec<u8>, Vec<u8>, i64, i64);

impl LocalUpstream {
    pub(super) async fn list(&self, bucket: &BucketName, request: &ListRequest) -> Result<ListPage, UpstreamError> {
        let mut reader = self.names.reader().await?;
        let bucket = bucket_id(&mut reader, bucket).await?;
        Ok(Walk { names: &mut reader, bucket, request, rows_read: 0 }.page().await?)
    }
}

/// A walk over the rows of one bucket.
pub(super) struct Walk<'a> {
    pub(super) names: &'a mut SqliteConnection,
    pub(super) bucket: i64,
    pub(super) request: &'a ListRequest,
    /// What the page has cost so far.
    pub(super) rows_read: usize,
}

impl Walk<'_> {
    /// One page.
    pub(super) async fn page(&mut self) -> Result<ListPage, NamesError> {
        let request = self.request;
        let mut page = ListPage::default();
        if request.max_entries == 0 {
            return Ok(page);
        }
        let all = request.max_entries.saturating_add(1);
        let mut rows_wanted = if request.delimiter.is_some() { FIRST_ROWS.min(all) } else { all };
        let end = successor(request.prefix.as_bytes());
        let mut next = first_key(request);
        let mut last = None;
        let mut entries = 0;
        while let Some(from) = next.clone() {
            let rows = self.fetch(&from, end.as_deref(), rows_wanted).await?;
            let is_end = rows.len() < rows_wanted as usize;
            let mut thrown_away = 0_usize;
            for row in rows {
                let Some(from) = &next else { break };
                if row.0 < *from {
                    thrown_away += 1;
                    continue;
                }
                if entries == request.max_entries {
                    page.next_after = last;
                    return Ok(page);
                }
                entries += 1;
                let entry = Entry::of(row, request)?;
                next = entry.behind();
                last = Some(entry.name().to_owned());
                match entry {
                    Entry::Object(object) => page.objects.push(object),
                    Entry::CommonPrefix(prefix) => page.common_prefixes.push(prefix),
                }
            }
            if is_end {
                break;
            }
            rows_wanted = if thrown_away > 0 { FIRST_ROWS } else { rows_wanted.saturating_mul(2) }.min(all);
        }
        Ok(page)
    }

    async fn fetch(&mut self, from: &[u8], end: Option<&[u8]>, rows: u32) -> Result<Vec<Row>, NamesError> {
        let query = sqlx::query_as(if end.is_some() { FETCH_BELOW } else { FETCH });
        let query = query.bind(self.bucket).bind(from).bind(rows);
        let query = match end {
            Some(end) => query.bind(end),
            None => query,
        };
        let rows = query.fetch_all(&mut *self.names).await?;
        self.rows_read += rows.len();
        Ok(rows)
    }
}

/// What a row becomes in a listing.
enum Entry {
    Object(ListedObject),
    CommonPrefix(String),
}

impl Entry {
    fn of((key, random_name, stored_bytes, last_modified_ms): Row, request: &ListRequest) -> Result<Self, NamesError> {
        let key = String::from_utf8(key).ok().and_then(|key| ObjectKey::parse(&key));
        let key = key.ok_or_else(|| UpstreamError::Broken("a stored key is not a key".into()))?;
        if let Some(prefix) = common_prefix(key.as_str(), request) {
            return Ok(Self::CommonPrefix(prefix.to_owned()));
        }
        let facts = StoredFacts {
            etag: etag(blob_name(&random_name)?),
            stored_bytes: unsigned(stored_bytes)?,
            last_modified: Timestamp::from_unix_millis(last_modified_ms),
            version: None,
            tag_count: 0,
        };
        Ok(Self::Object(ListedObject { key, facts }))
    }

    fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::CommonPrefix(prefix) => prefix,
        }
    }

    /// The first possible key behind it; `None` when there is none.
    fn behind(&self) -> Option<Vec<u8>> {
        match self {
            Self::Object(object) => Some(just_after(object.key.as_bytes())),
            Self::CommonPrefix(prefix) => successor(prefix.as_bytes()),
        }
    }
}

/// The prefix that `key` is rolled up into, delimiter included.
fn common_prefix<'a>(key: &'a str, request: &ListRequest) -> Option<&'a str> {
    let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(request.prefix.as_str())?;
    let end = request.prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// The first possible key of the listing; `None` when there is none.
fn first_key(request: &ListRequest) -> Option<Vec<u8>> {
    match &request.after {
        Some(after) if after.as_bytes() >= request.prefix.as_bytes() => match common_prefix(after, request) {
            // `after` is this common prefix or lies below it; either way the prefix is not after `after`.
            Some(passed) => successor(passed.as_bytes()),
            None => Some(just_after(after.as_bytes())),
        },
        _ => Some(request.prefix.as_bytes().to_vec()),
    }
}

/// The smallest byte string greater than `bytes`.
fn just_after(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

/// The smallest byte string greater than everything that starts with `prefix`; `None` when nothing is.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix[..=keep].to_vec();
    next[keep] += 1;
    Some(next)
}
