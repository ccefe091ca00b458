//! What was recorded and is not yet in the file, and what was read from it lately; lookups ask here first.
//!
//! Bounded: when it is full, what comes next is dropped. It is only an index.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::recent::Recent;
use super::{IndexRow, MAX_FOOTER_BYTES, Place};
use crate::base::BucketId;

/// At most so many entries wait for the file: a second or two of a very busy proxy.
const MAX_ENTRIES: usize = 8192;

/// At most so many bytes of rows and footers wait for the file.
const MAX_BYTES: usize = 16 << 20;

/// At most so many buckets wait to be forgotten: beyond it their rows stay, unreachable, until the index is rebuilt.
const MAX_FORGOTTEN: usize = 1024;

/// Footers over [`MAX_FOOTER_BYTES`] are kept in memory only, the latest ones: those of objects with very many parts,
/// whose range reads would otherwise fetch a manifest of up to 4 MiB each time.
const MAX_LARGE_FOOTERS: usize = 64;

/// All large footers together.
const MAX_LARGE_BYTES: usize = 32 << 20;

/// What is to be written for one place.
#[derive(Clone)]
pub(super) enum Change {
    Record { row: IndexRow, footer: Option<Bytes> },
    Forget,
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Record { row, footer } => {
                row.sealed_facts.len() + row.upstream_etag.len() + footer.as_ref().map_or(0, Bytes::len)
            }
            Self::Forget => 0,
        }
    }
}

/// A change and its number: written changes are taken out only when no later one has taken their place.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) change: Change,
}

#[derive(Default)]
pub(super) struct Overlay {
    pending: HashMap<Place, Pending>,
    bytes: usize,
    last_number: u64,
    forgotten: Vec<BucketId>,
    large: VecDeque<LargeFooter>,
    large_bytes: usize,
    recent: Recent,
    listed: Recent,
}

struct LargeFooter {
    place: Place,
    upstream_etag: String,
    footer: Bytes,
}

/// Whether a change was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    Dropped,
}

impl Overlay {
    pub(super) fn record(&mut self, place: Place, row: IndexRow, footer: Option<Bytes>) -> Taken {
        let large = footer.as_ref().is_some_and(|footer| footer.len() > MAX_FOOTER_BYTES);
        if large && let Some(footer) = footer {
            self.keep_large(place.clone(), row.upstream_etag.clone(), footer);
            return self.put(place, Change::Record { row, footer: None });
        }
        // A slice would keep all of what was read of the object, and nobody would count that.
        let footer = footer.map(|footer| Bytes::copy_from_slice(&footer));
        self.put(place, Change::Record { row, footer })
    }

    pub(super) fn forget(&mut self, place: Place) -> Taken {
        self.large_forget(|large| large.place == place);
        self.put(place, Change::Forget)
    }

    pub(super) fn forget_bucket(&mut self, bucket: BucketId) -> Taken {
        self.large_forget(|large| large.place.bucket_id == bucket);
        self.clear_recent();
        let bytes = &mut self.bytes;
        self.pending.retain(|place, pending| {
            let stays = place.bucket_id != bucket;
            *bytes -= if stays { 0 } else { weight(place, &pending.change) };
            stays
        });
        if self.forgotten.len() >= MAX_FORGOTTEN {
            return Taken::Dropped;
        }
        self.forgotten.push(bucket);
        Taken::Yes
    }

    fn put(&mut self, place: Place, change: Change) -> Taken {
        self.take_out(&place);
        self.recent.forget(&place);
        self.listed.forget(&place);
        let added = weight(&place, &change);
        if self.pending.len() >= MAX_ENTRIES || self.bytes + added > MAX_BYTES {
            return Taken::Dropped;
        }
        self.bytes += added;
        self.last_number += 1;
        self.pending.insert(place, Pending { number: self.last_number, change });
        Taken::Yes
    }

    /// What is pending for a place: `None` means that the file knows best.
    pub(super) fn get(&self, place: &Place) -> Option<&Change> {
        self.pending.get(place).map(|pending| &pending.change)
    }

    /// What the file said of a place a moment ago.
    pub(super) fn recent(&mut self, place: &Place) -> Option<(IndexRow, Option<Bytes>)> {
        self.recent.get(place)
    }

    /// Keeps what the file says of a place, unless something newer waits for it.
    pub(super) fn keep_recent(&mut self, place: Place, found: (IndexRow, Option<Bytes>)) {
        if !self.pending.contains_key(&place) {
            self.recent.keep(place, found);
        }
    }

    /// What the file said of a place when it was listed a moment ago.
    pub(super) fn recently_listed(&mut self, place: &Place) -> Option<IndexRow> {
        self.listed.get(place).map(|(row, _)| row)
    }

    /// Keeps a row that was listed: apart from those of single objects, which a long listing would drive out.
    pub(super) fn keep_listed(&mut self, row: &IndexRow) {
        let place = Place::of(row);
        if !self.pending.contains_key(&place) {
            self.listed.keep(place, (row.clone(), None));
        }
    }

    /// The file is gone or another one.
    pub(super) fn clear_recent(&mut self) {
        self.recent.clear();
        self.listed.clear();
    }

    pub(super) fn large_footer(&self, place: &Place, upstream_etag: &str) -> Option<Bytes> {
        let found = self.large.iter().find(|large| large.place == *place && large.upstream_etag == upstream_etag);
        found.map(|large| large.footer.clone())
    }

    /// Up to `max` changes to write; they stay visible until [`Overlay::written`].
    pub(super) fn batch(&self, max: usize) -> (Vec<BucketId>, Vec<(Place, Pending)>) {
        let changes = self.pending.iter().take(max).map(|(place, pending)| (place.clone(), pending.clone()));
        (self.forgotten.clone(), changes.collect())
    }

    /// Takes out what is in the file now, unless something newer has taken its place.
    pub(super) fn written(&mut self, forgotten: usize, batch: Vec<(Place, Pending)>) {
        self.forgotten.drain(..forgotten.min(self.forgotten.len()));
        for (place, written) in batch {
            if self.take_out_same(&place, &written)
                && let Change::Record { row, footer } = written.change
            {
                // What was written a moment ago is often read next.
                self.recent.keep(place, (row, footer));
            }
        }
    }

    /// Takes out what the file does not take, unless something newer has taken its place.
    pub(super) fn given_up(&mut self, forgotten: usize, batch: &[(Place, Pending)]) {
        self.forgotten.drain(..forgotten.min(self.forgotten.len()));
        for (place, pending) in batch {
            self.take_out_same(place, pending);
        }
    }

    fn take_out_same(&mut self, place: &Place, pending: &Pending) -> bool {
        let same = self.pending.get(place).is_some_and(|now| now.number == pending.number);
        if same {
            self.take_out(place);
        }
        same
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.forgotten.is_empty()
    }

    fn take_out(&mut self, place: &Place) {
        if let Some(old) = self.pending.remove(place) {
            self.bytes -= weight(place, &old.change);
        }
    }

    pub(super) fn keep_large(&mut self, place: Place, upstream_etag: String, footer: Bytes) {
        self.large_forget(|large| large.place == place);
        if footer.len() > MAX_LARGE_BYTES {
            return;
        }
        self.large_bytes += footer.len();
        self.large.push_front(LargeFooter { place, upstream_etag, footer });
        while self.large.len() > MAX_LARGE_FOOTERS || self.large_bytes > MAX_LARGE_BYTES {
            self.large_bytes -= self.large.pop_back().map_or(0, |oldest| oldest.footer.len());
        }
    }

    fn large_forget(&mut self, gone: impl Fn(&LargeFooter) -> bool) {
        self.large.retain(|large| !gone(large));
        self.large_bytes = self.large.iter().map(|large| large.footer.len()).sum();
    }
}

fn weight(place: &Place, change: &Change) -> usize {
    place.key.as_bytes().len() + change.bytes()
}
