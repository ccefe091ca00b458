//! What the null backend holds.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use time::OffsetDateTime;

use super::SWALLOWED;
use super::answer::Answer;
use super::request::Request;
use crate::sign::now;
use crate::wire::{Wire, wrong};

/// A head and as much of the body go out in one write.
const FIRST_WRITE_BYTES: usize = 64 << 10;

/// Stored bytes, or only how many there were.
#[derive(Clone, Default)]
pub(super) struct Body {
    /// What it has in memory, in order.
    pieces: Vec<Arc<Vec<u8>>>,
    /// Its length.
    pub(super) len: u64,
}

impl Body {
    /// The body of a request, unframed. An error ends the connection.
    pub(super) fn receive(wire: &mut Wire, request: &Request) -> io::Result<Self> {
        let head = &request.head;
        if head.get("expect").is_some() {
            wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let swallow = request.key.starts_with(SWALLOWED) && request.method == "PUT";
        let framed = head.get("x-amz-content-sha256").is_some_and(|token| token.starts_with("STREAMING-"));
        let announced = match head.get("x-amz-decoded-content-length") {
            Some(decoded) if framed => decoded.parse().map_err(|_| wrong("no length"))?,
            _ => head.content_length().unwrap_or(0),
        };
        let room = if swallow { 0 } else { usize::try_from(announced).unwrap_or(0) };
        let (mut kept, mut len) = (Vec::with_capacity(room), 0);
        let take = |bytes: &[u8]| {
            len += bytes.len() as u64;
            if !swallow {
                kept.extend_from_slice(bytes);
            }
        };
        if framed {
            wire.chunks(take)?;
        } else if head.is_chunked() {
            return Err(wrong("a body of unknown length"));
        } else {
            wire.body(announced, take)?;
        }
        if len != announced {
            return Err(wrong("another length than announced"));
        }
        Ok(Self { pieces: vec![Arc::new(kept)], len })
    }

    /// All of it, for documents.
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect()
    }

    /// A body of bodies.
    pub(super) fn joined<'a>(bodies: impl Iterator<Item = &'a Self>) -> Self {
        bodies.fold(Self::default(), |mut all, body| {
            all.pieces.extend(body.pieces.iter().cloned());
            all.len += body.len;
            all
        })
    }

    /// A range of it as a body of its own.
    pub(super) fn slice(&self, offset: u64, len: u64) -> Self {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        // Of swallowed bytes there is nothing to copy, and nobody reads the copy.
        let _ = self.each(offset, len, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        Self { pieces: vec![Arc::new(bytes)], len }
    }

    /// Writes a head and a range, straight out of memory.
    pub(super) fn send(&self, wire: &mut Wire, mut head: Vec<u8>, offset: u64, len: u64) -> io::Result<()> {
        let mut head_out = false;
        self.each(offset, len, |piece| {
            let now = if head_out { 0 } else { piece.len().min(FIRST_WRITE_BYTES) };
            if !head_out {
                head.extend_from_slice(&piece[..now]);
                wire.write(&head)?;
                head_out = true;
            }
            wire.write(&piece[now..])
        })?;
        if head_out { Ok(()) } else { wire.write(&head) }
    }

    fn each(&self, offset: u64, len: u64, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut skip, mut left) = (usize::try_from(offset).unwrap_or(0), usize::try_from(len).unwrap_or(0));
        for piece in &self.pieces {
            let from = skip.min(piece.len());
            let to = (from + left).min(piece.len());
            skip -= from;
            if to > from {
                take(&piece[from..to])?;
                left -= to - from;
            }
        }
        if left == 0 { Ok(()) } else { Err(wrong("these bytes were swallowed")) }
    }
}

/// An object.
#[derive(Clone)]
pub(super) struct Object {
    /// Its bytes.
    pub(super) body: Body,
    /// In quotes.
    pub(super) etag: String,
    /// When it was stored.
    pub(super) modified: OffsetDateTime,
    /// The `<Tag>` elements of its tags.
    pub(super) tags: String,
}

/// An upload in flight.
pub(super) struct Upload {
    /// Its bucket and key.
    pub(super) of: (String, String),
    /// When it was begun.
    pub(super) begun: OffsetDateTime,
    /// Its parts by number.
    pub(super) parts: BTreeMap<u64, Object>,
}

/// Objects by key.
pub(super) type Bucket = BTreeMap<String, Object>;

/// Everything.
#[derive(Default)]
pub(super) struct State {
    buckets: Mutex<BTreeMap<String, Bucket>>,
    uploads: Mutex<BTreeMap<String, Upload>>,
    counter: AtomicU64,
}

impl State {
    /// The buckets; hold it for moments only.
    pub(super) fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().expect("no thread panics with it")
    }

    /// The uploads; hold it for moments only.
    pub(super) fn uploads(&self) -> MutexGuard<'_, BTreeMap<String, Upload>> {
        self.uploads.lock().expect("no thread panics with it")
    }

    /// 32 hex digits that were never given before.
    pub(super) fn fresh(&self) -> String {
        format!("{:032x}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A new object.
    pub(super) fn object(&self, body: Body) -> Object {
        Object { body, etag: format!("\"{}\"", self.fresh()), modified: now(), tags: String::new() }
    }

    /// CreateBucket.
    pub(super) fn create_bucket(&self, name: &str) -> Answer {
        let mut buckets = self.buckets();
        if buckets.contains_key(name) {
            return Answer::error(409, "BucketAlreadyOwnedByYou");
        }
        buckets.insert(name.to_owned(), Bucket::new());
        Answer::empty(200)
    }

    /// HeadBucket.
    pub(super) fn head_bucket(&self, name: &str) -> Answer {
        Answer::empty(if self.buckets().contains_key(name) { 200 } else { 404 })
    }

    /// DeleteBucket.
    pub(super) fn delete_bucket(&self, name: &str) -> Answer {
        let mut buckets = self.buckets();
        match buckets.get(name) {
            None => Answer::error(404, "NoSuchBucket"),
            Some(bucket) if !bucket.is_empty() => Answer::error(409, "BucketNotEmpty"),
            Some(_) => {
                buckets.remove(name);
                Answer::empty(204)
            }
        }
    }
}
