//! Opening a body, or a range of it: a core without I/O that takes stored bytes in any fragmentation and gives only
//! plaintext whose tags have been checked.

use std::ops::{Deref, Range};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::cobblestone::{HEADER_BYTES, SEGMENT_BYTES, STORED_SEGMENT_BYTES, Salt, StreamKeys, TAG_BYTES};
use super::error::FormatError;
use super::footer::{PartSpan, RangePlan, plan, spans};
use super::keys::BodyKeys;
use super::layout::{segment_plaintext_bytes, segments};
use super::manifest::ManifestPart;
use super::part::part_context;
use crate::base::Key32;

/// Plaintext whose tags have been checked. Only an opener makes one; only this may become a body frame.
#[derive(Clone, Copy)]
pub struct Verified<'a>(&'a [u8]);

impl<'a> Verified<'a> {
    /// The bytes, for as long as the buffer they were opened into.
    pub const fn into_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl Deref for Verified<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

/// How far one call of [`RangeOpener::open`] came.
pub struct Opened<'a> {
    /// Stored bytes taken.
    pub consumed: usize,
    /// What stands at the beginning of `out` now.
    pub plain: Verified<'a>,
}

/// First and last segment of a read.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first_part: usize,
    pub(super) first_segment: u64,
    pub(super) last_part: usize,
    pub(super) last_segment: u64,
}

/// What the next stored bytes are.
#[derive(Clone, Copy)]
enum Next {
    Header { part: usize },
    Segment { part: usize, index: u64 },
    Nothing,
}

/// Opens the stored range of a [`RangePlan`]. Salts are the manifest's, never the stored part's.
pub struct RangeOpener {
    body_key: Key32,
    spans: Arc<[PartSpan]>,
    wanted: Range<u64>,
    last: (usize, u64),
    next: Next,
    /// Keys of the part at hand.
    keys: Option<StreamKeys>,
    /// Stored bytes of a header or segment that straddles two calls.
    stage: Vec<u8>,
    /// Verified plaintext that is not to be given as a whole, or had no room; what is left of it.
    pending: Zeroizing<Vec<u8>>,
    left: Range<usize>,
    failed: Option<FormatError>,
}

impl RangeOpener {
    pub(super) fn new(keys: &BodyKeys, spans: Arc<[PartSpan]>, run: Option<Run>, wanted: Range<u64>) -> Self {
        let next = match run {
            None => Next::Nothing,
            Some(Run { first_part: part, first_segment: 0, .. }) => Next::Header { part },
            Some(Run { first_part: part, first_segment: index, .. }) => Next::Segment { part, index },
        };
        Self {
            body_key: Key32::new(*keys.body.expose()),
            spans,
            wanted,
            last: run.map_or((0, 0), |run| (run.last_part, run.last_segment)),
            next,
            keys: None,
            stage: Vec::new(),
            pending: Zeroizing::new(Vec::new()),
            left: 0..0,
            failed: None,
        }
    }

    /// Opens one stored part that stands outside an object (a part held back in `tmp/`), with the facts of its row.
    /// `None` when no part can be that long.
    pub fn for_part(keys: &BodyKeys, number: u16, salt: Salt, plaintext_bytes: u64) -> Option<RangePlan> {
        let part = ManifestPart { number, plaintext_bytes, salt, md5: None, digests: Vec::new() };
        plan(&spans(&[part])?, keys, 0..plaintext_bytes)
    }

    /// Takes stored bytes as they come and fills `out` with plaintext of the range, as far as both go. Any `out` of at least
    /// one byte makes progress; one of 16 KiB and more, given fresh each time, saves a copy. After an error every call
    /// fails: the answer in flight must be broken off, not ended.
    pub fn open<'a>(&mut self, stored: &[u8], out: &'a mut [u8]) -> Result<Opened<'a>, FormatError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.run(stored, out) {
            Ok((consumed, written)) => Ok(Opened { consumed, plain: Verified(&out[..written]) }),
            Err(error) => {
                // What had been opened in this call was genuine, but nobody is told how far it went.
                self.failed = Some(error);
                self.keys = None;
                Err(error)
            }
        }
    }

    /// Whether everything promised has been opened and given.
    pub fn is_complete(&self) -> bool {
        self.failed.is_none() && self.left.is_empty() && matches!(self.next, Next::Nothing)
    }

    /// The end of the stored bytes: an error unless everything promised has come.
    pub fn finish(self) -> Result<(), FormatError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.is_complete() => Ok(()),
            None => Err(FormatError::Truncated),
        }
    }

    fn run(&mut self, stored: &[u8], out: &mut [u8]) -> Result<(usize, usize), FormatError> {
        let (mut consumed, mut written) = (0, 0);
        loop {
            written += self.give_pending(&mut out[written..]);
            if !self.left.is_empty() {
                return Ok((consumed, written));
            }
            let Some(length) = self.next_bytes() else {
                return if consumed == stored.len() { Ok((consumed, written)) } else { Err(FormatError::Excess) };
            };
            // A segment that has no room behind others waits for a fresh buffer instead of being copied.
            if written > 0 && self.next_plain_bytes() > out.len() - written {
                return Ok((consumed, written));
            }
            let rest = &stored[consumed..];
            if self.stage.is_empty() && rest.len() >= length {
                written += self.take(&rest[..length], &mut out[written..])?;
                consumed += length;
                continue;
            }
            let missing = length - self.stage.len();
            let now = &rest[..rest.len().min(missing)];
            if self.stage.capacity() == 0 && !now.is_empty() {
                self.stage.reserve_exact(STORED_SEGMENT_BYTES);
            }
            self.stage.extend_from_slice(now);
            consumed += now.len();
            if now.len() < missing {
                return Ok((consumed, written));
            }
            let mut stage = std::mem::take(&mut self.stage);
            written += self.take(&stage, &mut out[written..])?;
            stage.clear();
            self.stage = stage;
        }
    }

    /// Stored length of the next header or segment; `None` after the last.
    fn next_bytes(&self) -> Option<usize> {
        match self.next {
            Next::Header { .. } => Some(HEADER_BYTES),
            Next::Segment { .. } => Some(self.next_plain_bytes() + TAG_BYTES),
            Next::Nothing => None,
        }
    }

    fn next_plain_bytes(&self) -> usize {
        match self.next {
            Next::Segment { part, index } => segment_plaintext_bytes(self.spans[part].plain_bytes, index),
            Next::Header { .. } | Next::Nothing => 0,
        }
    }

    /// Verifies one header or segment; returns how much plaintext it put into `out`.
    fn take(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize, FormatError> {
        match self.next {
            Next::Header { part } => {
                let refused = FormatError::PartHeader { part: self.spans[part].number };
                self.keys_of(part).check_header(stored).map_err(|_| refused)?;
                self.next = Next::Segment { part, index: 0 };
                Ok(0)
            }
            Next::Segment { part, index } => {
                let written = self.take_segment(part, index, stored, out)?;
                self.advance(part, index);
                Ok(written)
            }
            Next::Nothing => Ok(0),
        }
    }

    fn take_segment(&mut self, part: usize, index: u64, stored: &[u8], out: &mut [u8]) -> Result<usize, FormatError> {
        let span = self.spans[part];
        let refused = FormatError::Segment { part: span.number, index };
        let length = stored.len() - TAG_BYTES;
        let wanted = self.wanted_of(&span, index, length);
        if wanted.len() == length && length <= out.len() {
            self.keys_of(part).open_segment(index, stored, &mut out[..length]).map_err(|_| refused)?;
            return Ok(length);
        }
        let mut pending = std::mem::take(&mut self.pending);
        if pending.capacity() == 0 {
            pending.reserve_exact(SEGMENT_BYTES);
        }
        pending.resize(length, 0);
        self.keys_of(part).open_segment(index, stored, &mut pending).map_err(|_| refused)?;
        self.pending = pending;
        self.left = wanted;
        Ok(self.give_pending(out))
    }

    /// Which bytes of a segment the range asks for.
    fn wanted_of(&self, span: &PartSpan, index: u64, length: usize) -> Range<usize> {
        let start = span.plain_start + index * SEGMENT_BYTES as u64;
        let from = self.wanted.start.saturating_sub(start).min(length as u64) as usize;
        let to = self.wanted.end.saturating_sub(start).min(length as u64) as usize;
        from..to.max(from)
    }

    fn give_pending(&mut self, out: &mut [u8]) -> usize {
        let count = self.left.len().min(out.len());
        out[..count].copy_from_slice(&self.pending[self.left.start..self.left.start + count]);
        self.left.start += count;
        count
    }

    fn advance(&mut self, part: usize, index: u64) {
        self.next = if (part, index) == self.last {
            self.keys = None;
            Next::Nothing
        } else if index + 1 < segments(self.spans[part].plain_bytes) {
            Next::Segment { part, index: index + 1 }
        } else {
            self.keys = None;
            Next::Header { part: part + 1 }
        };
    }

    fn keys_of(&mut self, part: usize) -> &StreamKeys {
        let (body_key, span) = (&self.body_key, &self.spans[part]);
        self.keys.get_or_insert_with(|| StreamKeys::derive(body_key, &span.salt, &part_context(span.number)))
    }
}
