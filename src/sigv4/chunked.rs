//! The aws-chunked framing: a decoder without I/O that is fed frames as they arrive and gives the payload out of them
//! without copying. It never holds a chunk: payload leaves at once, and only what is withheld from the store (the last
//! segment and the footer) waits for [`ChunkDecoder::finish`].
//!
//! Other servers accepted bodies that end early, have another length than announced, or lack their trailer. Here every
//! one of these is a fault, and only a body that is sound to its end yields [`Trailers`].

use aws_lc_rs::digest;
use bytes::Bytes;

use super::chunk_line::{ChunkLine, Filled, LineBuffer};
use super::payload::TrailerRule;
use super::signing::{ChunkChain, Signature};
use super::trailer_block::{TrailerBlock, Trailers};

/// AWS: every chunk but the last has at least 8 KiB. It also bounds the work that framing can cause per byte.
const MIN_CHUNK_BYTES: u64 = 8192;
/// One checksum and one signature have under 300 bytes; S3 has no trailer longer than that.
const MAX_TRAILER_BYTES: usize = 1024;

/// Why a framed body is refused. The S3 answer that is meant stands at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    /// Framing that is not aws-chunked: 400 IncompleteBody.
    #[error("The request body is not framed as aws-chunked.")]
    MalformedChunk,
    /// The body ends before its final chunk and trailer: 400 IncompleteBody.
    #[error("The request body terminated unexpectedly.")]
    Truncated,
    /// The chunks do not add up to `x-amz-decoded-content-length`: 400 IncompleteBody.
    #[error("You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header.")]
    LengthMismatch,
    /// A chunk that is not the last is too small: 400 InvalidChunkSizeError (Chunk, BadChunkSize).
    #[error("Only the last chunk is allowed to have a size less than 8192 bytes")]
    ChunkTooSmall {
        /// Its number, from 1.
        chunk: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A chunk or the trailer is not signed by the sender: 403 SignatureDoesNotMatch.
    #[error("The chunk signature we calculated does not match the signature you provided.")]
    SignatureMismatch,
    /// The trailer is not the announced one, or no trailer at all: 400 MalformedTrailerError.
    #[error("The request contained trailing data that was not well-formed or did not conform to our published schema.")]
    MalformedTrailer,
}

/// Decodes one body. Feed it with [`next_payload`](Self::next_payload) until the body ends, then [`finish`](Self::finish).
/// Payload that came out is not verified before `finish` returns; after a fault every further call returns it again.
pub struct ChunkDecoder {
    proof: Proof,
    trailer: TrailerRule,
    decoded_length: u64,
    /// Payload announced by chunk lines so far; never above `decoded_length`.
    announced: u64,
    chunks: u64,
    last_size: u64,
    line: LineBuffer,
    block: Vec<u8>,
    state: State,
}

/// What a chunk proves.
enum Proof {
    Unsigned,
    Signed { chain: ChunkChain, hash: digest::Context },
}

#[derive(Clone, Copy)]
enum State {
    Line,
    Payload {
        left: u64,
        signature: Option<Signature>,
    },
    /// The line end after a payload.
    Cr,
    Lf,
    Trailer,
    Failed(ChunkFault),
}

impl ChunkDecoder {
    pub(super) fn signed(chain: ChunkChain, decoded_length: u64, trailer: TrailerRule) -> Self {
        Self::new(Proof::Signed { chain, hash: digest::Context::new(&digest::SHA256) }, decoded_length, trailer)
    }

    pub(super) fn unsigned(decoded_length: u64, trailer: TrailerRule) -> Self {
        Self::new(Proof::Unsigned, decoded_length, trailer)
    }

    fn new(proof: Proof, decoded_length: u64, trailer: TrailerRule) -> Self {
        Self {
            proof,
            trailer,
            decoded_length,
            announced: 0,
            chunks: 0,
            last_size: 0,
            line: LineBuffer::default(),
            block: Vec::new(),
            state: State::Line,
        }
    }

    /// The next piece of payload in `frame`, cut off its front together with the framing before it. `None`: the frame is
    /// used up, go on with the next one. Never more than `x-amz-decoded-content-length` bytes in all.
    pub fn next_payload(&mut self, frame: &mut Bytes) -> Result<Option<Bytes>, ChunkFault> {
        self.step(frame).inspect_err(|fault| self.state = State::Failed(*fault))
    }

    /// The body has ended: everything is verified, or nothing may be committed.
    pub fn finish(mut self) -> Result<Trailers, ChunkFault> {
        match self.state {
            State::Failed(fault) => return Err(fault),
            State::Line | State::Payload { .. } | State::Cr | State::Lf => return Err(ChunkFault::Truncated),
            State::Trailer => {}
        }
        let block = TrailerBlock::parse(&self.block)?;
        if block.checksum.as_ref().map(|(name, _)| name.as_str()) != self.trailer.name() {
            return Err(ChunkFault::MalformedTrailer);
        }
        match (&mut self.proof, &block.checksum, &block.signature) {
            (Proof::Unsigned, _, None) | (Proof::Signed { .. }, None, None) => {}
            (Proof::Unsigned, _, Some(_)) | (Proof::Signed { .. }, Some(_), None) => {
                return Err(ChunkFault::MalformedTrailer);
            }
            (Proof::Signed { chain, .. }, checksum, Some(signature)) => {
                let text = checksum.as_ref().map(|(name, value)| format!("{name}:{value}\n")).unwrap_or_default();
                if !chain.accept_trailer(&text, signature) {
                    return Err(ChunkFault::SignatureMismatch);
                }
            }
        }
        Ok(Trailers::new(block.checksum))
    }

    fn step(&mut self, frame: &mut Bytes) -> Result<Option<Bytes>, ChunkFault> {
        loop {
            if let State::Failed(fault) = self.state {
                return Err(fault);
            }
            let Some(&first) = frame.first() else { return Ok(None) };
            match self.state {
                State::Failed(fault) => return Err(fault),
                State::Line => {
                    let (taken, filled) = self.line.fill(frame)?;
                    let _ = frame.split_to(taken);
                    if filled == Filled::Whole {
                        let line = self.line.take()?;
                        self.begin_chunk(&line)?;
                    }
                }
                State::Payload { left, signature } => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(frame.len());
                    let payload = frame.split_to(taken);
                    self.take_payload(&payload, left - payload.len() as u64, signature)?;
                    return Ok(Some(payload));
                }
                State::Cr => self.state = line_end(frame, first, b'\r', State::Lf)?,
                State::Lf => self.state = line_end(frame, first, b'\n', State::Line)?,
                State::Trailer => {
                    if frame.len() > MAX_TRAILER_BYTES - self.block.len() {
                        return Err(ChunkFault::MalformedTrailer);
                    }
                    self.block.extend_from_slice(&frame.split_to(frame.len()));
                }
            }
        }
    }

    fn begin_chunk(&mut self, line: &ChunkLine) -> Result<(), ChunkFault> {
        let signed = matches!(self.proof, Proof::Signed { .. });
        if signed != line.signature.is_some() {
            return Err(ChunkFault::MalformedChunk);
        }
        if line.size == 0 {
            if self.announced != self.decoded_length {
                return Err(ChunkFault::LengthMismatch);
            }
            self.verify_chunk(line.signature)?;
            self.state = State::Trailer;
            return Ok(());
        }
        if self.chunks > 0 && self.last_size < MIN_CHUNK_BYTES {
            return Err(ChunkFault::ChunkTooSmall { chunk: self.chunks, size: self.last_size });
        }
        let room = self.decoded_length - self.announced;
        if line.size > room {
            return Err(ChunkFault::LengthMismatch);
        }
        self.announced += line.size;
        self.chunks += 1;
        self.last_size = line.size;
        self.state = State::Payload { left: line.size, signature: line.signature };
        Ok(())
    }

    fn take_payload(&mut self, payload: &[u8], left: u64, signature: Option<Signature>) -> Result<(), ChunkFault> {
        if let Proof::Signed { hash, .. } = &mut self.proof {
            hash.update(payload);
        }
        if left > 0 {
            self.state = State::Payload { left, signature };
            return Ok(());
        }
        self.verify_chunk(signature)?;
        self.state = State::Cr;
        Ok(())
    }

    fn verify_chunk(&mut self, signature: Option<Signature>) -> Result<(), ChunkFault> {
        let Proof::Signed { chain, hash } = &mut self.proof else { return Ok(()) };
        let digest = std::mem::replace(hash, digest::Context::new(&digest::SHA256)).finish();
        let accepted = signature.is_some_and(|signature| chain.accept_chunk(&digest, &signature));
        if accepted { Ok(()) } else { Err(ChunkFault::SignatureMismatch) }
    }
}

fn line_end(frame: &mut Bytes, first: u8, expected: u8, next: State) -> Result<State, ChunkFault> {
    let _ = frame.split_to(1);
    if first == expected { Ok(next) } else { Err(ChunkFault::MalformedChunk) }
}
