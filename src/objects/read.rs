//! Ciphertext in, verified plaintext out: the body of a GET, and the source of a copy.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::envelope::RangeOpener;
use crate::hashing::{DigestSet, Digests};
use crate::upstream::{BodyReader, GetReply, UpstreamError};

use super::error::ObjectError;
use super::source::{BodyRefused, PlainSource};

/// Stored bytes that are read and opened at a time: sixteen whole segments, so that one frame goes out per read.
const STORED_RUN_BYTES: usize = 16 * STORED_SEGMENT_BYTES;
const STORED_SEGMENT_BYTES: usize = 16_384 + 16;
/// Plaintext that one frame holds at most.
const FRAME_BYTES: usize = 16 * 16_384;
/// How many frames are on their way at a time: one that the connection is writing, one behind it. Their buffers are
/// used again, because a fresh one of this size costs as much as opening what goes into it (64 page faults).
const FRAMES_IN_FLIGHT: usize = 2;
/// What one object holds at most while it is read: a run of stored bytes, and the frames that are made of it. While one is
/// written: what MD5 has not caught up with. (It is sealed straight into a buffer of the upstream's.)
pub const STREAM_BYTES: usize = STORED_RUN_BYTES + FRAMES_IN_FLIGHT * FRAME_BYTES;
const _: () = assert!(crate::hashing::STREAM_BYTES <= STREAM_BYTES);
/// What a whole read into memory may hold: a footer has at most 4 MiB of manifest, a suffix far less.
const MAX_WHOLE_BYTES: u64 = 5 << 20;

/// The plaintext of a range. Every byte of an object of ours that comes out was verified; the first frame was before
/// the reader was handed out. An error after that means that the answer must be broken off, not ended.
pub struct PlainReader {
    opener: Opener,
    source: StoredSource,
    stored: Vec<u8>,
    filled: std::ops::Range<usize>,
    first: Option<Bytes>,
    given: VecDeque<Bytes>,
    unopened_bytes: u64,
    fault: Option<ObjectError>,
}

/// How stored bytes become plaintext.
#[expect(clippy::large_enum_variant, reason = "one for each answer, nearly always the large one")]
enum Opener {
    Sealed(RangeOpener),
    /// They are plaintext: a foreign object in a bucket that lets these pass.
    AsStored,
}

pub(super) enum StoredSource {
    Memory(Bytes),
    Upstream(Box<dyn BodyReader>),
}

impl PlainReader {
    /// Opens the first frame, so that a damaged start is an error answer and not a broken one.
    pub(super) async fn start(
        opener: RangeOpener,
        source: StoredSource,
        plaintext_bytes: u64,
    ) -> Result<Self, ObjectError> {
        let mut reader = Self::new(Opener::Sealed(opener), source, plaintext_bytes);
        reader.first = reader.open_frame().await?;
        Ok(reader)
    }

    /// Foreign bytes, which nobody can verify.
    pub(super) async fn as_stored(body: Box<dyn BodyReader>, len: u64) -> Result<Self, ObjectError> {
        let mut reader = Self::new(Opener::AsStored, StoredSource::Upstream(body), len);
        reader.first = reader.open_frame().await?;
        Ok(reader)
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self::new(Opener::AsStored, StoredSource::Memory(Bytes::new()), 0)
    }

    fn new(opener: Opener, source: StoredSource, plaintext_bytes: u64) -> Self {
        let (stored, filled, given) = (Vec::new(), 0..0, VecDeque::new());
        Self { opener, source, stored, filled, first: None, given, unopened_bytes: plaintext_bytes, fault: None }
    }

    /// How many bytes are still to come.
    pub fn remaining(&self) -> u64 {
        self.unopened_bytes + self.first.as_ref().map_or(0, |frame| frame.len() as u64)
    }

    /// The next verified bytes, never empty; `None` when all came.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        match self.first.take() {
            Some(frame) => Ok(Some(frame)),
            None => self.open_frame().await,
        }
    }

    /// Why [`PlainSource::next`] refused, for a copy that reads from here.
    pub fn take_fault(&mut self) -> Option<ObjectError> {
        self.fault.take()
    }

    async fn open_frame(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let frame_bytes = usize::try_from(self.unopened_bytes).map_or(FRAME_BYTES, |left| left.min(FRAME_BYTES));
        let is_last = frame_bytes as u64 == self.unopened_bytes;
        let mut frame = self.frame(frame_bytes);
        let mut written = 0;
        // Behind the last plaintext there may be a last, empty segment, which says that nothing is missing.
        while written < frame_bytes || (is_last && !self.opener.is_complete()) {
            // Before anything is fetched: the opener may still hold the rest of a segment that the last frame cut.
            let (consumed, opened) =
                self.opener.open(&self.stored[self.filled.clone()], &mut frame[written..frame_bytes])?;
            let progress = consumed + opened;
            self.filled.start += consumed;
            written += opened;
            if progress == 0 && !(self.filled.is_empty() && self.refill().await?) {
                return Err(UpstreamError::Unavailable("the stored object ended before its end".into()).into());
            }
        }
        self.unopened_bytes -= written as u64;
        if written == 0 {
            return Ok(None);
        }
        let frame = frame.freeze();
        if self.unopened_bytes > 0 {
            self.given.push_back(frame.clone());
        }
        Ok(Some(frame.slice(..written)))
    }

    /// A buffer of at least so many bytes: the oldest one given out, if whoever got it is done with it.
    fn frame(&mut self, bytes: usize) -> BytesMut {
        let oldest = if self.given.len() < FRAMES_IN_FLIGHT { None } else { self.given.pop_front() };
        match oldest.map(Bytes::try_into_mut) {
            Some(Ok(frame)) if frame.len() >= bytes => frame,
            _ => BytesMut::zeroed(bytes),
        }
    }

    /// Gets more stored bytes; false at the end.
    async fn refill(&mut self) -> Result<bool, ObjectError> {
        let filled = match &mut self.source {
            StoredSource::Memory(bytes) => {
                self.stored = bytes.split_to(bytes.len()).into();
                self.stored.len()
            }
            StoredSource::Upstream(body) => {
                if self.stored.is_empty() {
                    self.stored = vec![0; stored_run(self.unopened_bytes)];
                }
                body.read(&mut self.stored).await?
            }
        };
        self.filled = 0..filled;
        Ok(filled > 0)
    }
}

/// How much is read at a time where so much plaintext is to come: a fresh buffer of a whole run, most of it zeroes that
/// nothing overwrites, would be the dearest thing in the GET of a small object.
fn stored_run(plaintext_bytes: u64) -> usize {
    // One segment is cut at either end of a range. What this leaves out (heads of parts) comes with the next read.
    let segments = usize::try_from(plaintext_bytes / 16_384).map_or(usize::MAX, |whole| whole.saturating_add(2));
    segments.saturating_mul(STORED_SEGMENT_BYTES).min(STORED_RUN_BYTES)
}

impl Opener {
    /// How many stored bytes it took, and how many bytes of plaintext it made of them.
    fn open(&mut self, stored: &[u8], into: &mut [u8]) -> Result<(usize, usize), ObjectError> {
        match self {
            Self::Sealed(opener) => {
                let opened = opener.open(stored, into)?;
                Ok((opened.consumed, opened.plain.len()))
            }
            Self::AsStored => {
                let len = stored.len().min(into.len());
                into[..len].copy_from_slice(&stored[..len]);
                Ok((len, len))
            }
        }
    }

    fn is_complete(&self) -> bool {
        match self {
            Self::Sealed(opener) => opener.is_complete(),
            Self::AsStored => true,
        }
    }
}

#[async_trait]
impl PlainSource for PlainReader {
    fn wants(&self) -> DigestSet {
        DigestSet::none()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused> {
        PlainReader::next(self).await.map_err(|error| {
            self.fault = Some(error);
            BodyRefused
        })
    }

    /// Every segment was verified on its way; of a foreign object there is nothing to verify.
    fn verify(&mut self, _digests: &Digests) -> Result<(), BodyRefused> {
        Ok(())
    }
}

/// All of a small reply.
pub(super) async fn read_whole(mut reply: GetReply) -> Result<Bytes, ObjectError> {
    if reply.len > MAX_WHOLE_BYTES {
        return Err(UpstreamError::Broken("a longer body than was asked for".into()).into());
    }
    let len = usize::try_from(reply.len).unwrap_or(0);
    let mut whole = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match reply.body.read(&mut whole[filled..]).await? {
            0 => return Err(UpstreamError::Unavailable("the stored object ended before its end".into()).into()),
            read => filled += read,
        }
    }
    whole.truncate(len);
    Ok(Bytes::from(whole))
}
