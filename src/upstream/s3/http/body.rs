//! The body of an answer, to its end or to a fault: never to a quiet cut.

use super::connection::Connection;
use super::head::Framing;
use super::pool::Lease;
use super::{AnswerHead, WireFault};

/// A chunk's size in hex, and extensions that nobody sends.
const MAX_CHUNK_LINE_BYTES: usize = 256;
/// After the last chunk: trailers, which we pass over.
const MAX_TRAILER_LINES: usize = 20;

/// A body being read. The connection goes back when its last byte has been; it is closed when the body is dropped before.
pub(in crate::upstream::s3) struct AnswerBody {
    lease: Option<Lease>,
    state: State,
    keeps_alive: bool,
}

enum State {
    Length { left: u64 },
    Chunk { left: u64, first: bool },
    UntilClose,
    Ended,
    Failed,
}

impl AnswerBody {
    pub(in crate::upstream::s3) fn new(lease: Lease, head: &AnswerHead) -> Self {
        let state = match head.framing {
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::Chunk { left: 0, first: true },
            Framing::UntilClose => State::UntilClose,
        };
        let mut body = Self { lease: Some(lease), state, keeps_alive: head.keeps_alive };
        if matches!(body.state, State::Length { left: 0 }) {
            body.end();
        }
        body
    }

    /// The length, where the head said it.
    pub(in crate::upstream::s3) const fn promised(&self) -> Option<u64> {
        match self.state {
            State::Length { left } => Some(left),
            State::Ended => Some(0),
            State::Chunk { .. } | State::UntilClose | State::Failed => None,
        }
    }

    /// Fills `into` from its start; 0 only at the end. After a fault there is nothing more but faults.
    pub(in crate::upstream::s3) async fn read(&mut self, into: &mut [u8]) -> Result<usize, WireFault> {
        let read = self.read_some(into).await;
        if read.is_err() {
            self.state = State::Failed;
            self.lease = None;
        }
        read
    }

    /// The whole body, refused when it is longer than `max_bytes`.
    pub(in crate::upstream::s3) async fn read_all(mut self, max_bytes: usize) -> Result<Vec<u8>, WireFault> {
        let promised = self.promised().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let mut bytes = vec![0; promised.clamp(1 << 10, max_bytes.min(64 << 10))];
        let mut filled = 0;
        loop {
            if filled == bytes.len() {
                bytes.resize((2 * filled).min(max_bytes + 1), 0);
            }
            match self.read(&mut bytes[filled..]).await? {
                0 => break,
                read => filled += read,
            }
            if filled > max_bytes {
                return Err(WireFault::Malformed("its body is too long"));
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    async fn read_some(&mut self, into: &mut [u8]) -> Result<usize, WireFault> {
        loop {
            let Some(connection) = self.lease.as_mut().map(Lease::connection) else {
                return if matches!(self.state, State::Ended) { Ok(0) } else { Err(WireFault::Closed("before")) };
            };
            match &mut self.state {
                State::Ended | State::Length { left: 0 } => {
                    self.end();
                    return Ok(0);
                }
                State::Failed => return Err(WireFault::Closed("before")),
                State::Length { left } => {
                    let read = connection.read(at_most(into, *left)).await?;
                    *left -= read as u64;
                    // With the last byte, not with the read after it: a reader that counts need not come again.
                    if *left == 0 {
                        self.end();
                    }
                    return Ok(read);
                }
                State::Chunk { left: left @ 0, first } => {
                    *left = next_chunk(connection, std::mem::replace(first, false)).await?;
                    if *left == 0 {
                        self.end();
                    }
                }
                State::Chunk { left, .. } => {
                    let read = connection.read(at_most(into, *left)).await?;
                    *left -= read as u64;
                    return Ok(read);
                }
                State::UntilClose => match connection.read(into).await {
                    Err(WireFault::Closed(_)) => {
                        self.keeps_alive = false;
                        self.end();
                    }
                    other => return other,
                },
            }
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        if let Some(lease) = self.lease.take()
            && self.keeps_alive
        {
            lease.give_back();
        }
    }
}

fn at_most(into: &mut [u8], left: u64) -> &mut [u8] {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
    &mut into[..len]
}

/// The size of the next chunk; 0 after the last, with the trailers read.
async fn next_chunk(connection: &mut Connection, first: bool) -> Result<u64, WireFault> {
    let malformed = || WireFault::Malformed("its body is not chunked as it says");
    if !first && !connection.line(MAX_CHUNK_LINE_BYTES).await?.is_empty() {
        return Err(malformed());
    }
    let line = connection.line(MAX_CHUNK_LINE_BYTES).await?;
    let size = std::str::from_utf8(&line).map_err(|_| malformed())?.split(';').next().unwrap_or("").trim();
    // from_str_radix takes a sign, HTTP does not.
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    let size = u64::from_str_radix(size, 16).map_err(|_| malformed())?;
    if size == 0 {
        for _ in 0..MAX_TRAILER_LINES {
            if connection.line(MAX_CHUNK_LINE_BYTES).await?.is_empty() {
                return Ok(0);
            }
        }
        return Err(malformed());
    }
    Ok(size)
}
