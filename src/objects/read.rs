//! Ciphertext in, verified plaintext out: the body of a GET, and the source of a copy.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};

use crate::envelope::RangeOpener;
use crate::envelope::cobblestone::{HEADER_BYTES, STORED_SEGMENT_BYTES, TAG_BYTES};
use crate::hashing::{DigestSet, Digests};
use crate::upstream::{BodyReader, GetReply, UpstreamError};

use super::error::ObjectError;
use super::source::{BodyRefused, PlainSource};

/// Stored bytes that are read at a time and opened where they stand: a header and sixteen segments, one frame; and room
/// for an empty last segment, so that it costs no read of its own.
const RUN_BYTES: usize = HEADER_BYTES + 16 * STORED_SEGMENT_BYTES + TAG_BYTES;
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

    /// The next frame. What is left behind the last plaintext (an empty last segment, which says that nothing is missing;
    /// empty parts) is verified before that goes out: nobody asks for more once the promised length has come.
    async fn open_frame(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let mut frame = None;
        loop {
            let run_bytes = self.next_run();
            if run_bytes == 0 || (frame.is_some() && self.unopened_bytes > 0) {
                return Ok(frame);
            }
            let opened = self.open_next(run_bytes).await?;
            frame = frame.or(opened);
        }
    }

    /// Reads a run and opens it; `None` where it holds no plaintext.
    async fn open_next(&mut self, run_bytes: usize) -> Result<Option<Bytes>, ObjectError> {
        let mut frame = self.frame(run_bytes);
        let run = &mut frame[..run_bytes];
        self.source.fill(run).await?;
        let plain = match &mut self.opener {
            Opener::Sealed(opener) => opener.open_run(run)?.range(),
            Opener::AsStored => 0..run_bytes,
        };
        self.unopened_bytes -= plain.len() as u64;
        let frame = frame.freeze();
        if self.unopened_bytes > 0 {
            self.given.push_back(frame.clone());
        }
        Ok(Some(frame.slice(plain)).filter(|plain| !plain.is_empty()))
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
    /// Exactly as many bytes as there is room for.
    async fn fill(&mut self, into: &mut [u8]) -> Result<(), ObjectError> {
        let mut filled = 0;
        while filled < into.len() {
            let rest = &mut into[filled..];
            let read = match self {
                Self::Memory(bytes) => {
                    let read = bytes.len().min(rest.len());
                    bytes.copy_to_slice(&mut rest[..read]);
                    read
                }
                Self::Upstream(body) => body.read(rest).await?,
            };
            if read == 0 {
                return Err(UpstreamError::Unavailable("the stored object ended before its end".into()).into());
            }
            filled += read;
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
pub(super) async fn read_whole(reply: GetReply) -> Result<Bytes, ObjectError> {
    if reply.len > MAX_WHOLE_BYTES {
        return Err(UpstreamError::Broken("a longer body than was asked for".into()).into());
    }
    let len = usize::try_from(reply.len).unwrap_or(0);
    let mut whole = vec![0; len];
    StoredSource::Upstream(reply.body).fill(&mut whole).await?;
    Ok(Bytes::from(whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BodyId, Key32};
    use crate::envelope::{BodyKeys, Dek, PartSealer};

    const SALT: [u8; 24] = [7; 24];
    /// One run of whole segments, and behind it an empty last one.
    const ONE_RUN: usize = 16 * 16_384;

    fn keys() -> BodyKeys {
        BodyKeys::derive(&Dek::new(Key32::new([2; 32])), &BodyId::from_bytes([3; 16]))
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut sealer = PartSealer::new(&keys(), 0, SALT).expect("part 0");
        let mut stored = vec![0; plain.len() + plain.len() / 500 + 40_000];
        let done = sealer.seal(plain, &mut stored).expect("seals");
        let last = sealer.finish(&mut stored[done.written..]).expect("finishes");
        stored.truncate(done.written + last.written);
        stored
    }

    /// Gives so many bytes at a time, and then says that this is the end.
    struct InPieces(Bytes, usize);

    #[async_trait]
    impl BodyReader for InPieces {
        async fn read(&mut self, into: &mut [u8]) -> Result<usize, UpstreamError> {
            let read = self.0.len().min(self.1).min(into.len());
            self.0.copy_to_slice(&mut into[..read]);
            Ok(read)
        }
    }

    /// Reads as hyper does: nothing is asked for behind the promised length.
    async fn read(stored: &[u8], plain_bytes: usize, piece: usize) -> Result<Vec<u8>, ObjectError> {
        let source = match piece {
            0 => StoredSource::Memory(Bytes::copy_from_slice(stored)),
            piece => StoredSource::Upstream(Box::new(InPieces(Bytes::copy_from_slice(stored), piece))),
        };
        let plan = RangeOpener::for_part(&keys(), 0, SALT, plain_bytes as u64).expect("a plan");
        let mut reader = PlainReader::start(plan.opener, source, plain_bytes as u64).await?;
        let mut plain = Vec::new();
        while plain.len() < plain_bytes {
            plain.extend(reader.next().await?.expect("more was promised"));
            assert_eq!(reader.remaining(), (plain_bytes - plain.len()) as u64);
        }
        Ok(plain)
    }

    #[tokio::test]
    async fn nothing_is_left_unverified_behind_the_last_plaintext() {
        for plain_bytes in [0, 1, 16_384, ONE_RUN - 1, ONE_RUN, ONE_RUN + 1, 2 * ONE_RUN, 3 * ONE_RUN + 17] {
            let plain: Vec<u8> = (0..=250).cycle().take(plain_bytes).collect();
            let stored = sealed(&plain);
            for piece in [0, 1000, 1 << 20] {
                assert!(read(&stored, plain_bytes, piece).await.expect("is whole") == plain, "{plain_bytes} {piece}");
                let end = stored.len() - 1;
                for at in [0, 60, 56 + ONE_RUN / 2, 56 + ONE_RUN + 256, end - 16, end].map(|at: usize| at.min(end)) {
                    let mut damaged = stored.clone();
                    damaged[at] ^= 1;
                    assert!(read(&damaged, plain_bytes, piece).await.is_err(), "{plain_bytes} {piece} {at}");
                    assert!(
                        read(&stored[..at], plain_bytes, piece).await.is_err(),
                        "{plain_bytes} {piece} cut at {at}"
                    );
                }
            }
        }
    }

    /// Buffers are used again only when nobody reads them any more.
    #[tokio::test]
    async fn frames_that_are_held_keep_what_they_hold() {
        let plain: Vec<u8> = (0..=250).cycle().take(6 * ONE_RUN).collect();
        let plan = RangeOpener::for_part(&keys(), 0, SALT, plain.len() as u64).expect("a plan");
        let source = StoredSource::Memory(Bytes::from(sealed(&plain)));
        let mut reader = PlainReader::start(plan.opener, source, plain.len() as u64).await.expect("starts");
        let mut held = Vec::new();
        while let Some(frame) = reader.next().await.expect("is whole") {
            assert!(reader.given.len() <= FRAMES_IN_FLIGHT);
            held.push(frame);
        }
        assert!(held.concat() == plain);
    }

    /// Nobody verifies these, but frames are as full and as few.
    #[tokio::test]
    async fn foreign_bytes_come_as_they_are() {
        let stored: Vec<u8> = (0..=250).cycle().take(700_000).collect();
        let body = Box::new(InPieces(Bytes::from(stored.clone()), 1000));
        let mut reader = PlainReader::as_stored(body, 700_000).await.expect("starts");
        let (mut given, mut frames) = (Vec::new(), 0);
        while let Some(frame) = reader.next().await.expect("is whole") {
            given.extend(frame);
            frames += 1;
        }
        assert!(given == stored && frames == 700_000_usize.div_ceil(RUN_BYTES));
        let short = Box::new(InPieces(Bytes::from(stored), 1000));
        let mut reader = PlainReader::as_stored(short, 700_001).await.expect("starts");
        let mut outcome = reader.next().await;
        while let Ok(Some(_)) = outcome {
            outcome = reader.next().await;
        }
        assert!(outcome.is_err());
    }
}
