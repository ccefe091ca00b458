//! Bucket rows in memory: every request asks for its bucket, a write twice, and each look into the file wakes a thread of
//! SQLite's, which costs more than a small request does otherwise.
//!
//! Exact: one process at a time has the database open, and while a change of buckets is under way nothing is answered
//! from memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::BucketRow;
use crate::base::{BucketId, BucketName};

/// Beyond so many buckets (a few MiB) all are forgotten and asked for again.
const MAX_ROWS: usize = 10_000;

/// Rows as they are in the file.
#[derive(Default)]
pub(super) struct BucketCache {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    rows: HashMap<BucketName, BucketRow>,
    names: HashMap<BucketId, BucketName>,
    /// Changes under way.
    changing: usize,
    /// Changes so far: a row that was read before one is not kept after it.
    changes: u64,
}

/// Which changes a reader of the file may have seen.
#[derive(Clone, Copy)]
pub(super) struct Seen(u64);

/// A change of buckets under way. It goes where the change goes, and is dropped when that is committed or given up.
pub(super) struct Changing(Arc<BucketCache>);

impl BucketCache {
    /// A bucket by its name, where it is known.
    pub(super) fn by_name(&self, name: &BucketName) -> Result<BucketRow, Seen> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.rows.get(name).filter(|_| state.changing == 0).cloned().ok_or(Seen(state.changes))
    }

    /// A bucket by its id, where it is known.
    pub(super) fn by_id(&self, id: BucketId) -> Result<BucketRow, Seen> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let row = state.names.get(&id).and_then(|name| state.rows.get(name));
        row.filter(|_| state.changing == 0).cloned().ok_or(Seen(state.changes))
    }

    /// Keeps what was read from the file after `seen`. That there is no such bucket is not kept: names that anybody can
    /// think of would fill the memory.
    pub(super) fn keep(&self, seen: Seen, row: &BucketRow) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.changing > 0 || state.changes != seen.0 {
            return;
        }
        if state.rows.len() >= MAX_ROWS {
            state.forget();
        }
        state.names.insert(row.bucket_id, row.name.clone());
        state.rows.insert(row.name.clone(), row.clone());
    }

    /// Says that buckets are about to change.
    pub(super) fn changing(self: &Arc<Self>) -> Changing {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.changing += 1;
        Changing(Arc::clone(self))
    }
}

impl State {
    fn forget(&mut self) {
        self.rows.clear();
        self.names.clear();
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        state.forget();
        state.changing -= 1;
        state.changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DomainId, PrincipalId, Timestamp};

    fn row(name: &str, id: u8) -> BucketRow {
        BucketRow {
            name: BucketName::parse(name).expect("a name"),
            bucket_id: BucketId::from_bytes([id; 16]),
            domain_id: DomainId::from_bytes([id; 16]),
            upstream: "default".to_owned(),
            owner: PrincipalId::from_bytes([0; 16]),
            region: "us-east-1".to_owned(),
            created: Timestamp::from_unix_millis(0),
            adopted: false,
        }
    }

    #[test]
    fn what_was_read_is_known() {
        let cache = Arc::new(BucketCache::default());
        let bucket = row("bucket", 1);
        let Err(seen) = cache.by_name(&bucket.name) else { panic!("known before it was read") };
        cache.keep(seen, &bucket);
        assert_eq!(cache.by_name(&bucket.name).ok(), Some(bucket.clone()));
        assert_eq!(cache.by_id(bucket.bucket_id).ok(), Some(bucket));
        assert!(cache.by_id(BucketId::from_bytes([2; 16])).is_err());
    }

    /// A bucket that is removed and made again has another id; whoever holds the old one must not find it.
    #[test]
    fn nothing_is_known_during_a_change_and_after_it() {
        let cache = Arc::new(BucketCache::default());
        let bucket = row("bucket", 1);
        let Err(before) = cache.by_name(&bucket.name) else { panic!("known before it was read") };
        cache.keep(before, &bucket);
        let change = cache.changing();
        let Err(during) = cache.by_name(&bucket.name) else { panic!("known while it changes") };
        assert!(cache.by_id(bucket.bucket_id).is_err());
        cache.keep(during, &bucket);
        drop(change);
        assert!(cache.by_name(&bucket.name).is_err() && cache.by_id(bucket.bucket_id).is_err());
        // Whoever was slow to read still has the old row in hand.
        cache.keep(before, &bucket);
        cache.keep(during, &bucket);
        assert!(cache.by_name(&bucket.name).is_err());
    }

    #[test]
    fn bounded() {
        let cache = Arc::new(BucketCache::default());
        for at in 0..=MAX_ROWS {
            let mut bucket = row(&format!("bucket-{at}"), 0);
            bucket.bucket_id = BucketId::generate();
            let Err(seen) = cache.by_name(&bucket.name) else { panic!("known before it was read") };
            cache.keep(seen, &bucket);
        }
        assert_eq!(cache.state.read().expect("a lock").rows.len(), 1);
        assert_eq!(cache.state.read().expect("a lock").names.len(), 1);
    }
}
