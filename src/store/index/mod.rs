//! The index of objects: what an object's footer says, known before the upstream is asked.
//!
//! It is slow to lose and never wrong: every row carries the upstream's ETag and stored size, and a caller whose upstream
//! answer differs from them has a miss. So nothing here is an error to the caller: what cannot be read is a miss, what
//! cannot be written is dropped, and a damaged file is put aside and filled anew by use. Nothing is written on a lookup.
//!
//! Rows are data of this machine, not authenticated by the store: whoever seals `sealed_facts` binds the other columns
//! (name, validator, sizes, ids) as its context.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Notify, mpsc, oneshot};

use self::file::Found;
use self::overlay::{Change, Overlay, Taken};
use super::StoreError;
use crate::base::{BucketId, FooterId, KeyId, ObjectKey};

mod batch;
mod file;
mod overlay;
mod page;
mod recent;
mod task;
#[cfg(test)]
mod tests;

/// Footers up to this length are kept in the file: manifests of up to about a hundred parts. Larger ones are kept in memory.
pub const MAX_FOOTER_BYTES: usize = 16 << 10;

/// What the index knows of an object.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// In which bucket.
    pub bucket_id: BucketId,
    /// Under which key.
    pub key: ObjectKey,
    /// The upstream's version id; empty where the bucket has no versions.
    pub version: Arc<str>,
    /// Validator: the upstream's ETag.
    pub upstream_etag: String,
    /// Validator: the stored size.
    pub stored_bytes: u64,
    /// The size that clients see.
    pub plaintext_bytes: u64,
    /// The ETag that clients see and what else listings and HEAD need; sealed by the caller.
    pub sealed_facts: Bytes,
    /// Which version of the object this is.
    pub footer_id: FooterId,
    /// The bucket key that `sealed_facts` is sealed under (its index key).
    pub key_id: KeyId,
    /// Key version of the trailer.
    pub key_version: u32,
}

/// How often what happened, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexCounters {
    /// Keys that a lookup found (their validator is the caller's to compare).
    pub hits: u64,
    /// Keys that it did not.
    pub misses: u64,
    /// Changes that were taken, to be written.
    pub recorded: u64,
    /// Changes that were dropped: too many waited for the file, or it could not be written.
    pub dropped: u64,
    /// How often the file was put aside.
    pub rebuilt: u64,
}

/// The index, open. Clones share it.
#[derive(Clone)]
pub struct Index {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// Which object: what a row is keyed by.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    bucket_id: BucketId,
    key: ObjectKey,
    version: Arc<str>,
}

impl Place {
    fn of(row: &IndexRow) -> Self {
        Self { bucket_id: row.bucket_id, key: row.key.clone(), version: row.version.clone() }
    }

    fn current(bucket_id: BucketId, key: &ObjectKey) -> Self {
        Self { bucket_id, key: key.clone(), version: Arc::default() }
    }
}

struct Shared {
    overlay: Mutex<Overlay>,
    /// Replaced when the file is.
    readers: RwLock<SqlitePool>,
    /// Something waits for the file.
    wake: Notify,
    hits: AtomicU64,
    misses: AtomicU64,
    recorded: AtomicU64,
    dropped: AtomicU64,
    rebuilt: AtomicU64,
}

enum Command {
    /// Write what waits, then answer.
    Flush(oneshot::Sender<()>),
    /// Reading found damage, after so many rebuilds: several readers find the same damage.
    Damaged(u64),
    /// Write what waits, close the file, answer and end.
    Close(oneshot::Sender<()>),
}

/// Commands wait for the writer: a few flushes at a time.
const MAX_COMMANDS: usize = 16;

impl Index {
    /// Opens the index at `path`, making it where there is none, or where it is damaged or of another version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let (opened, found) = file::open(path).await?;
        let shared = Arc::new(Shared {
            overlay: Mutex::default(),
            readers: RwLock::new(opened.readers),
            wake: Notify::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rebuilt: AtomicU64::new(u64::from(found == Found::Rebuilt)),
        });
        let (commands, received) = mpsc::channel(MAX_COMMANDS);
        tokio::spawn(task::write_behind(path.to_owned(), opened.writer, shared.clone(), received));
        Ok(Self { shared, commands })
    }

    /// The row of a bucket's current object.
    pub async fn lookup(&self, bucket: BucketId, key: &ObjectKey) -> Option<IndexRow> {
        self.lookup_page(bucket, std::slice::from_ref(key)).await.remove(key)
    }

    /// The row of a bucket's current object with its footer (M || T as stored), where that is known: all that a warm GET
    /// needs, in one query.
    pub async fn lookup_object(&self, bucket: BucketId, key: &ObjectKey) -> Option<(IndexRow, Option<Bytes>)> {
        let place = Place::current(bucket, key);
        let known = {
            let mut overlay = self.shared.overlay();
            match overlay.get(&place).cloned() {
                Some(Change::Record { row, footer }) => Some(Some((row, footer))),
                Some(Change::Forget) => Some(None),
                None => overlay.recent(&place).map(Some),
            }
        };
        let found = match known {
            Some(known) => known,
            None => {
                let found = self.read(file::object(&self.readers(), &place).await).flatten();
                if let Some(found) = &found {
                    self.shared.overlay().keep_recent(place.clone(), found.clone());
                }
                found
            }
        };
        self.shared.count(usize::from(found.is_some()), usize::from(found.is_none()));
        found.map(|(row, footer)| {
            let footer = footer.or_else(|| self.shared.overlay().large_footer(&place, &row.upstream_etag));
            (row, footer)
        })
    }

    /// The rows of a page of current objects, those that there are, in one query.
    pub async fn lookup_page(&self, bucket: BucketId, keys: &[ObjectKey]) -> HashMap<ObjectKey, IndexRow> {
        let mut found = HashMap::with_capacity(keys.len());
        let mut unknown = Vec::new();
        {
            let mut overlay = self.shared.overlay();
            for key in keys {
                let place = Place::current(bucket, key);
                let row = match overlay.get(&place) {
                    Some(Change::Record { row, .. }) => Some(row.clone()),
                    Some(Change::Forget) => continue,
                    None => overlay.recently_listed(&place),
                };
                match row {
                    Some(row) => drop(found.insert(key.clone(), row)),
                    None => unknown.push(key.clone()),
                }
            }
        }
        if !unknown.is_empty() {
            let rows = self.read(page::rows(&self.readers(), bucket, &unknown).await).unwrap_or_default();
            let mut overlay = self.shared.overlay();
            for row in rows {
                overlay.keep_listed(&row);
                found.insert(row.key.clone(), row);
            }
        }
        self.shared.count(found.len(), keys.len().saturating_sub(found.len()));
        found
    }

    /// The footer (M || T as stored) of a bucket's current object, where it has this upstream ETag. The caller verifies it.
    pub async fn footer(&self, bucket: BucketId, key: &ObjectKey, upstream_etag: &str) -> Option<Bytes> {
        let place = Place::current(bucket, key);
        {
            let overlay = self.shared.overlay();
            match overlay.get(&place) {
                Some(Change::Record { row, .. }) if row.upstream_etag != upstream_etag => return None,
                Some(Change::Record { footer: Some(footer), .. }) => return Some(footer.clone()),
                Some(Change::Forget) => return None,
                Some(Change::Record { footer: None, .. }) | None => {}
            }
            if let Some(large) = overlay.large_footer(&place, upstream_etag) {
                return Some(large);
            }
        }
        self.read(file::footer(&self.readers(), &place, upstream_etag).await).flatten()
    }

    /// Records what is known of an object now, in the place of what was known. Lookups see it at once, the file a
    /// little later; when too much waits for the file, it is dropped.
    pub fn record(&self, row: IndexRow, footer: Option<Bytes>) {
        let place = Place::of(&row);
        let taken = self.shared.overlay().record(place, row, footer);
        self.taken(taken);
    }

    /// Keeps the footer of a row that is recorded already, where it is too large for the file: in memory, writing nothing.
    pub fn keep_footer(&self, row: &IndexRow, footer: Bytes) {
        if footer.len() > MAX_FOOTER_BYTES {
            self.shared.overlay().keep_large(Place::of(row), row.upstream_etag.clone(), footer);
        }
    }

    /// Forgets a bucket's current object.
    pub fn forget(&self, bucket: BucketId, key: &ObjectKey) {
        let taken = self.shared.overlay().forget(Place::current(bucket, key));
        self.taken(taken);
    }

    /// Whether there may be a row: for those who must not take an object for unknown because the file cannot be read.
    pub async fn may_know(&self, bucket: BucketId, key: &ObjectKey) -> bool {
        let place = Place::current(bucket, key);
        let pending = self.shared.overlay().get(&place).cloned();
        match pending {
            Some(Change::Record { .. }) => true,
            Some(Change::Forget) => false,
            None => self.read(file::object(&self.readers(), &place).await).is_none_or(|found| found.is_some()),
        }
    }

    /// Forgets a whole bucket.
    pub fn forget_bucket(&self, bucket: BucketId) {
        let taken = self.shared.overlay().forget_bucket(bucket);
        self.taken(taken);
    }

    /// Waits until everything recorded so far is in the file, or was dropped.
    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        if self.commands.send(Command::Flush(done)).await.is_ok() {
            // An answer that never comes: the index was closed, there is nothing left to wait for.
            let _closed = answer.await;
        }
    }

    /// Writes what waits and closes the file. Later lookups are misses.
    pub async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() {
            let _closed = answer.await;
        }
    }

    /// For /metrics.
    pub fn counters(&self) -> IndexCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        IndexCounters {
            hits: read(&self.shared.hits),
            misses: read(&self.shared.misses),
            recorded: read(&self.shared.recorded),
            dropped: read(&self.shared.dropped),
            rebuilt: read(&self.shared.rebuilt),
        }
    }

    fn readers(&self) -> SqlitePool {
        self.shared.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What cannot be read is a miss; damage is told to the writer, which makes a new file.
    fn read<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(found) => return Some(found),
            // A full queue of commands: one of them is this one already, or the next read tells again.
            Err(StoreError::Corrupt { .. }) => {
                let rebuilt = self.shared.rebuilt.load(Ordering::Relaxed);
                let _full = self.commands.try_send(Command::Damaged(rebuilt));
            }
            Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "the index could not be read"),
        }
        None
    }

    fn taken(&self, taken: Taken) {
        match taken {
            Taken::Yes => {
                self.shared.recorded.fetch_add(1, Ordering::Relaxed);
                self.shared.wake.notify_one();
            }
            Taken::Dropped => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Shared {
    /// The overlay is sound between any two statements: a panic elsewhere does not make it unusable.
    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, hits: usize, misses: usize) {
        self.hits.fetch_add(hits as u64, Ordering::Relaxed);
        self.misses.fetch_add(misses as u64, Ordering::Relaxed);
    }
}
