//! Opening a body, or a range of it: a core without I/O that opens stored bytes in place, and gives only plaintext whose
//! tags have been checked.

use std::ops::{Deref, Range};
use std::sync::Arc;

use zeroize::Zeroize;

use super::cobblestone::{HEADER_BYTES, SEGMENT_BYTES, Salt, StreamKeys, TAG_BYTES};
use super::error::FormatError;
use super::footer::{PartSpan, RangePlan, plan, spans};
use super::keys::BodyKeys;
use super::layout::{segment_plaintext_bytes, segments};
use super::manifest::ManifestPart;
use super::part::part_context;
use crate::base::Key32;

/// Plaintext whose tags have been checked. Only an opener makes one; only this may become a body frame.
pub struct Verified<'a> {
    run: &'a [u8],
    at: Range<usize>,
}

impl Verified<'_> {
    /// Where in the run it stands.
    pub fn range(&self) -> Range<usize> {
        self.at.clone()
    }
}

impl Deref for Verified<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.run[self.at.clone()]
    }
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

/// Opens the stored range of a [`RangePlan`], run by run: ask [`RangeOpener::next_run`] how many bytes, read exactly these,
/// open them. Salts are the manifest's, never the stored part's.
pub struct RangeOpener {
    body_key: Key32,
    spans: Arc<[PartSpan]>,
    wanted: Range<u64>,
    last: (usize, u64),
    next: Next,
    /// The part at hand, and its keys.
    keys: Option<(usize, StreamKeys)>,
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
            failed: None,
        }
    }

    /// Opens one stored part that stands outside an object (a part held back in `tmp/`), with the facts of its row.
    /// `None` when no part can be that long.
    pub fn for_part(keys: &BodyKeys, number: u16, salt: Salt, plaintext_bytes: u64) -> Option<RangePlan> {
        let part = ManifestPart { number, plaintext_bytes, salt, md5: None, digests: Vec::new() };
        plan(&spans(&[part])?, keys, 0..plaintext_bytes)
    }

    /// How many stored bytes the next run has: as many whole headers and segments as `room` holds, but one at least (16,400
    /// bytes at most). 0 when nothing is left to open.
    pub fn next_run(&self, room: usize) -> usize {
        let (mut next, mut run) = (self.next, 0);
        while let Some(length) =
            self.stored_bytes(next).filter(|&length| run == 0 || length <= room.saturating_sub(run))
        {
            run += length;
            next = self.after(next);
        }
        run
    }

    /// Opens a run of whole headers and segments in place. After an error every call fails, and `run` is wiped: the answer in
    /// flight must be broken off, not ended.
    pub fn open_run<'a>(&mut self, run: &'a mut [u8]) -> Result<Verified<'a>, FormatError> {
        let opened = match self.failed {
            Some(error) => Err(error),
            None => self.open_all(run),
        };
        match opened {
            Ok(at) => Ok(Verified { run, at }),
            Err(error) => {
                // What had been opened in this call was genuine, but nobody is told how far it went.
                run.zeroize();
                self.failed = Some(error);
                self.keys = None;
                Err(error)
            }
        }
    }

    /// Whether everything promised has been opened.
    pub fn is_complete(&self) -> bool {
        self.failed.is_none() && matches!(self.next, Next::Nothing)
    }

    /// The end of the stored bytes: an error unless everything promised has come.
    pub fn finish(self) -> Result<(), FormatError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.is_complete() => Ok(()),
            None => Err(FormatError::Truncated),
        }
    }

    /// Opens all of `run`; where in it the wanted plaintext stands then.
    fn open_all(&mut self, run: &mut [u8]) -> Result<Range<usize>, FormatError> {
        let (mut consumed, mut plain) = (0, 0..0);
        while consumed < run.len() {
            let end = consumed + self.stored_bytes(self.next).unwrap_or(0);
            if end > run.len() {
                return Err(FormatError::Truncated);
            }
            match self.next {
                Next::Header { part } => self.check_header(part, &run[consumed..end])?,
                Next::Segment { part, index } => {
                    let opened = self.open_segment(part, index, &mut run[plain.end..end], consumed - plain.end)?;
                    // Only the first segment of a range is cut in front, and only the last one behind.
                    if plain.is_empty() {
                        plain.start = plain.end + opened.start;
                    }
                    plain.end += opened.end;
                }
                Next::Nothing => return Err(FormatError::Excess),
            }
            self.next = self.after(self.next);
            consumed = end;
        }
        if matches!(self.next, Next::Nothing) {
            self.keys = None;
        }
        Ok(plain)
    }

    fn check_header(&mut self, part: usize, stored: &[u8]) -> Result<(), FormatError> {
        let refused = FormatError::PartHeader { part: self.spans[part].number };
        self.keys_of(part).check_header(stored).map_err(|_| refused)
    }

    /// Opens a segment that stands behind a gap; which bytes from the beginning of `run` are wanted of it.
    fn open_segment(
        &mut self,
        part: usize,
        index: u64,
        run: &mut [u8],
        gap: usize,
    ) -> Result<Range<usize>, FormatError> {
        let span = self.spans[part];
        let refused = FormatError::Segment { part: span.number, index };
        let length = self.keys_of(part).open_segment(index, run, gap).map_err(|_| refused)?;
        Ok(self.wanted_of(&span, index, length))
    }

    /// Stored length of a header or segment; `None` after the last.
    fn stored_bytes(&self, item: Next) -> Option<usize> {
        match item {
            Next::Header { .. } => Some(HEADER_BYTES),
            Next::Segment { part, index } => {
                Some(segment_plaintext_bytes(self.spans[part].plain_bytes, index) + TAG_BYTES)
            }
            Next::Nothing => None,
        }
    }

    fn after(&self, item: Next) -> Next {
        match item {
            Next::Header { part } => Next::Segment { part, index: 0 },
            Next::Segment { part, index } if (part, index) == self.last => Next::Nothing,
            Next::Segment { part, index } if index + 1 < segments(self.spans[part].plain_bytes) => {
                Next::Segment { part, index: index + 1 }
            }
            Next::Segment { part, .. } => Next::Header { part: part + 1 },
            Next::Nothing => Next::Nothing,
        }
    }

    /// Which bytes of a segment the range asks for.
    fn wanted_of(&self, span: &PartSpan, index: u64, length: usize) -> Range<usize> {
        let start = span.plain_start + index * SEGMENT_BYTES as u64;
        let from = self.wanted.start.saturating_sub(start).min(length as u64) as usize;
        let to = self.wanted.end.saturating_sub(start).min(length as u64) as usize;
        from..to.max(from)
    }

    fn keys_of(&mut self, part: usize) -> &StreamKeys {
        let (body_key, span) = (&self.body_key, &self.spans[part]);
        let derive = || (part, StreamKeys::derive(body_key, &span.salt, &part_context(span.number)));
        drop(self.keys.take_if(|(of, _)| *of != part));
        &self.keys.get_or_insert_with(derive).1
    }
}
