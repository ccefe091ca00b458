//! Objects that were looked up in the file a moment ago: the same ones are asked for again and again, and asking SQLite
//! takes longer than the rest of a small GET.
//!
//! Two generations: when the young one is full, the old one is forgotten and the young one is old. What is asked for
//! becomes young again. Like all of the index it may be behind the truth, and its rows validate themselves.

use std::collections::HashMap;
use std::mem;

use bytes::Bytes;

use super::{IndexRow, Place};

/// Both generations together hold at most twice this.
const MAX_GENERATION_BYTES: usize = 4 << 20;
/// What an entry takes beside its key, its facts and its footer.
const ENTRY_BYTES: usize = 512;

/// Rows with their footers, where there are any.
#[derive(Default)]
pub(super) struct Recent {
    young: HashMap<Place, Entry>,
    old: HashMap<Place, Entry>,
    young_bytes: usize,
}

type Entry = (IndexRow, Option<Bytes>);

impl Recent {
    pub(super) fn get(&mut self, place: &Place) -> Option<Entry> {
        if let Some(entry) = self.young.get(place) {
            return Some(entry.clone());
        }
        let entry = self.old.remove(place)?;
        self.keep(place.clone(), entry.clone());
        Some(entry)
    }

    pub(super) fn keep(&mut self, place: Place, entry: Entry) {
        self.forget(&place);
        self.young_bytes += weight(&entry);
        self.young.insert(place, entry);
        if self.young_bytes > MAX_GENERATION_BYTES {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    pub(super) fn forget(&mut self, place: &Place) {
        self.old.remove(place);
        if let Some(entry) = self.young.remove(place) {
            self.young_bytes -= weight(&entry);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn weight((row, footer): &Entry) -> usize {
    let footer = footer.as_ref().map_or(0, Bytes::len);
    ENTRY_BYTES + row.key.as_bytes().len() + row.upstream_etag.len() + row.sealed_facts.len() + footer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BucketId, FooterId, KeyId, ObjectKey};

    fn entry(at: usize) -> (Place, Entry) {
        let row = IndexRow {
            bucket_id: BucketId::from_bytes([1; 16]),
            key: ObjectKey::parse(&format!("{at}")).expect("a key"),
            version: "".into(),
            upstream_etag: "e".to_owned(),
            stored_bytes: 500,
            plaintext_bytes: 100,
            sealed_facts: Bytes::from_static(b"sealed"),
            footer_id: FooterId::from_bytes([2; 16]),
            key_id: KeyId::from_bytes([3; 16]),
            key_version: 0,
        };
        (Place::current(row.bucket_id, &row.key), (row, Some(Bytes::from(vec![0; 10_000]))))
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let mut recent = Recent::default();
        let (hot, row) = entry(0);
        recent.keep(hot.clone(), row);
        for at in 1..5_000 {
            let (place, row) = entry(at);
            recent.keep(place, row);
            assert!(recent.get(&hot).is_some(), "{at}");
            assert!(recent.young_bytes <= MAX_GENERATION_BYTES);
            let total: usize = recent.young.values().chain(recent.old.values()).map(weight).sum();
            assert!(total <= 2 * MAX_GENERATION_BYTES + 11_000, "{total}");
        }
        assert!(recent.get(&entry(1).0).is_none());
        assert!(recent.get(&entry(4_999).0).is_some());
    }

    #[test]
    fn what_is_forgotten_is_gone_from_both_generations() {
        let mut recent = Recent::default();
        for at in 0..600 {
            let (place, row) = entry(at);
            recent.keep(place, row);
        }
        assert!(!recent.old.is_empty() && !recent.young.is_empty());
        for at in 0..600 {
            recent.forget(&entry(at).0);
            assert!(recent.get(&entry(at).0).is_none());
        }
        assert_eq!((recent.young.len(), recent.old.len(), recent.young_bytes), (0, 0, 0));
    }
}
