//! Ciphertext in, verified plaintext out: the body of a GET, and the source of a copy.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};

use crate::envelope::RangeOpener;
use crate::envelope::cobblestone::{HEADER_BYTES, STORED_SEGMENT_BYTES};
use crate::hashing::{DigestSet, Digests};
use crate::upstream::{BodyReader, GetReply, UpstreamError};

use super::error::ObjectError;
use super::source::{BodyRefused, PlainSource};

/// Stored bytes that are read at a time and opened where they stand: a header and sixteen segments, one frame.
const RUN_BYTES: usize = HEADER_BYTES + 16 * STORED_SEGMENT_BYTES;
/// How many frames are on their way at a time: one that the connection is writing, one behind it. Their buffers are
/// used again, because a fresh one of this size costs as much as opening what goes into it (64 page faults).
const FRAMES_IN_FLIGHT: usize = 2;
/// What one object holds at most while it is read: the run that is being opened, and those that are on their way. While one
/// is written: what MD5 has not caught up with. (It is sealed straight into a buffer of the upstream's.)
pub const STREAM_BYTES: usize = (1 + FRAMES_IN_FLIGHT) * RUN_BYTES;
const _: () = assert!(crate::hashing::STREAM_BYTES <= STREAM_BYTES);
/// What a whole read into memory may hold: a footer has at most 4 MiB of manifest, a suffix far less.
const MAX_WHOLE_BYTES: u64 = 5 << 20;

/// The plaintext of a range. Every byte of an object of ours that comes out was verified; the first frame was before
/// the reader was handed out. An error after that means that the answer must be broken off, not ended.
pub struct PlainReader {
    opener: Opener,
    source: StoredSource,
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
        let given = VecDeque::new();
        Self { opener, source, first: None, given, unopened_bytes: plaintext_bytes, fault: None }
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
        // Behind the last plaintext there may be a last, empty segment, which says that nothing is missing: it is in the same
        // run, or alone in the next one, which then has no plaintext.
        loop {
            let run_bytes = self.next_run();
            if run_bytes == 0 {
                return Ok(None);
            }
            let mut frame = self.frame(run_bytes);
            let run = &mut frame[..run_bytes];
            let plain = match &mut self.opener {
                Opener::Sealed(opener) => {
                    self.source.fill(run).await?;
                    opener.open_run(run)?.range()
                }
                Opener::AsStored => 0..self.source.read(run).await?,
            };
            self.unopened_bytes -= plain.len() as u64;
            let frame = frame.freeze();
            if self.next_run() > 0 {
                self.given.push_back(frame.clone());
            }
            if !plain.is_empty() {
                return Ok(Some(frame.slice(plain)));
            }
        }
    }

    /// How many stored bytes come next; 0 after the last.
    fn next_run(&self) -> usize {
        match &self.opener {
            Opener::Sealed(opener) => opener.next_run(RUN_BYTES),
            Opener::AsStored => usize::try_from(self.unopened_bytes).map_or(RUN_BYTES, |left| left.min(RUN_BYTES)),
        }
    }

    /// A buffer of at least so many bytes: the oldest one given out, if whoever got it is done with it.
    fn frame(&mut self, bytes: usize) -> BytesMut {
        let oldest = if self.given.len() < FRAMES_IN_FLIGHT { None } else { self.given.pop_front() };
        match oldest.map(Bytes::try_into_mut) {
            Some(Ok(frame)) if frame.len() >= bytes => frame,
            _ => BytesMut::zeroed(bytes),
        }
    }
}

impl StoredSource {
    /// The next bytes, as many as there are at once, and at least one.
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, ObjectError> {
        let read = match self {
            Self::Memory(bytes) => {
                let read = bytes.len().min(into.len());
                bytes.copy_to_slice(&mut into[..read]);
                read
            }
            Self::Upstream(body) => body.read(into).await?,
        };
        match read {
            0 => Err(UpstreamError::Unavailable("the stored object ended before its end".into()).into()),
            read => Ok(read),
        }
    }

    /// Exactly as many as there is room for.
    async fn fill(&mut self, into: &mut [u8]) -> Result<(), ObjectError> {
        let mut filled = 0;
        while filled < into.len() {
            filled += self.read(&mut into[filled..]).await?;
        }
        Ok(())
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
