//! One connection: writes that hear an early answer, reads that go into the caller's buffer, and a clock over both.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::WireFault;
use super::head::{AnswerHead, Asked, Interim, MAX_HEAD_BYTES, Parsed, parse};
use super::wire::Wire;

/// First room for what is read ahead: a head, and with it the whole of a small body or of an error.
const READ_AHEAD_BYTES: usize = 16 << 10;
/// Interim answers to one request: with a 102 every 20 seconds, the pace that RFC 2518 (section 10.1) has in mind, half
/// an hour of work.
const MAX_INTERIM_ANSWERS: u32 = 100;

/// A connection to the service. Dropped in the middle of a request, it is reset: what it carried is never taken for
/// the whole.
pub(in crate::upstream::s3) struct Connection {
    wire: Wire,
    /// `ahead[taken..filled]` has been read and not been taken.
    ahead: Vec<u8>,
    taken: usize,
    filled: usize,
    clock: IdleClock,
    /// A request is on its way, and not all of it has gone.
    sending: bool,
    /// How many interim answers it has had.
    interim_answers: u32,
}

/// How sending ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) enum Sent {
    /// Everything is on its way.
    All,
    /// Not all of it: the service answers already, or has closed. [`Connection::hear`] tells which.
    Interrupted,
}

/// What was heard.
#[derive(Debug)]
pub(in crate::upstream::s3) enum Heard {
    /// `100 Continue`: the body may come.
    Continue,
    /// Another 1xx: it says nothing, and whoever has something to send goes on.
    Interim,
    /// The answer.
    Answer(Box<AnswerHead>),
}

impl Connection {
    pub(super) fn new(wire: Wire, idle_timeout: Duration) -> Self {
        let ahead = vec![0; READ_AHEAD_BYTES];
        let clock = IdleClock::new(idle_timeout);
        Self { wire, ahead, taken: 0, filled: 0, clock, sending: false, interim_answers: 0 }
    }

    /// Whether another request may go out on it.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_silent() && self.wire.is_quiet()
    }

    /// Whether nothing is read ahead and nothing half sent; unlike [`Self::is_quiet`] it asks nobody.
    pub(super) const fn is_silent(&self) -> bool {
        self.taken == self.filled && !self.sending
    }

    /// Says that a request begins.
    pub(in crate::upstream::s3) fn begin(&mut self) {
        self.sending = true;
        self.interim_answers = 0;
    }

    /// Says that the whole request is on its way.
    pub(in crate::upstream::s3) fn sent_all(&mut self) {
        self.sending = false;
    }

    /// Writes all of `pieces`, and listens meanwhile. What is left unsent after [`Sent::Interrupted`] is left in `pieces`.
    pub(in crate::upstream::s3) async fn send(&mut self, pieces: &mut &mut [IoSlice<'_>]) -> Result<Sent, WireFault> {
        // Empty slices at the front would make a write of nothing, which looks like a closed socket.
        IoSlice::advance_slices(pieces, 0);
        poll_fn(|cx| {
            while !pieces.is_empty() {
                // An answer, or the end of the connection, before all is sent. It may have come right behind another.
                if self.has_more() || self.poll_ahead(cx).is_ready() {
                    return Poll::Ready(Ok(Sent::Interrupted));
                }
                match Pin::new(&mut self.wire).poll_write_vectored(cx, pieces) {
                    // What the service said before it closed may still be readable.
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Ok(Sent::Interrupted)),
                    Poll::Ready(Ok(written)) => {
                        self.clock.moved();
                        IoSlice::advance_slices(pieces, written);
                    }
                    Poll::Pending => return self.clock.poll(cx, "while sending").map(Err),
                }
            }
            match Pin::new(&mut self.wire).poll_flush(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(Ok(Sent::All)),
                Poll::Ready(Err(_)) => Poll::Ready(Ok(Sent::Interrupted)),
                Poll::Pending => self.clock.poll(cx, "while sending").map(Err),
            }
        })
        .await
        .inspect(|_| self.clock.moved())
    }

    /// Returns when something has come, or the connection has ended: [`Connection::hear`] tells which. Dropping it
    /// loses nothing. There is no clock over it: it runs beside a source that may take its time.
    pub(in crate::upstream::s3) async fn listen(&mut self) {
        if !self.has_more() {
            let _ = poll_fn(|cx| self.poll_ahead(cx)).await;
        }
    }

    /// Whether something has been read that was not asked for yet.
    pub(in crate::upstream::s3) const fn has_more(&self) -> bool {
        self.taken < self.filled
    }

    /// Waits for the answer, or for an interim one; `patience` is the idle timeout of this one wait.
    pub(in crate::upstream::s3) async fn hear(&mut self, asked: Asked, patience: Duration) -> Result<Heard, WireFault> {
        self.clock.moved();
        loop {
            if self.has_more() {
                match parse(&self.ahead[self.taken..self.filled], asked)? {
                    Parsed::Final(head, len) => {
                        self.taken += len;
                        return Ok(Heard::Answer(head));
                    }
                    Parsed::Interim(len, interim) => {
                        self.taken += len;
                        self.interim_answers += 1;
                        if self.interim_answers > MAX_INTERIM_ANSWERS {
                            return Err(WireFault::Malformed("its interim answers come to no end"));
                        }
                        return Ok(match interim {
                            Interim::Continue => Heard::Continue,
                            Interim::Other => Heard::Interim,
                        });
                    }
                    Parsed::Partial => {}
                }
            }
            let cut = if self.has_more() { "within the head of its answer" } else { "before it answered" };
            poll_fn(|cx| match self.poll_ahead(cx) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(WireFault::Closed(cut))),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(WireFault::Io(error.kind()))),
                Poll::Pending => self.clock.poll_for(cx, patience, "before it answered").map(Err),
            })
            .await?;
            self.clock.moved();
        }
    }

    /// Reads some bytes of a body into `into`: what is there already, or what comes next, past any buffer of ours.
    pub(super) async fn read(&mut self, into: &mut [u8]) -> Result<usize, WireFault> {
        if self.has_more() {
            let len = into.len().min(self.filled - self.taken);
            into[..len].copy_from_slice(&self.ahead[self.taken..self.taken + len]);
            self.taken += len;
            return Ok(len);
        }
        let mut into = ReadBuf::new(into);
        poll_fn(|cx| match Pin::new(&mut self.wire).poll_read(cx, &mut into) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(broken(&error))),
            Poll::Pending => self.clock.poll(cx, "in a body").map(Err),
        })
        .await?;
        self.clock.moved();
        match into.filled().len() {
            0 => Err(WireFault::Closed("within a body")),
            len => Ok(len),
        }
    }

    /// A line of a chunked body, without its end.
    pub(super) async fn line(&mut self, max_bytes: usize) -> Result<Vec<u8>, WireFault> {
        loop {
            let unread = &self.ahead[self.taken..self.filled];
            if let Some(at) = unread.iter().position(|byte| *byte == b'\n') {
                let line = unread[..at].strip_suffix(b"\r").ok_or(WireFault::Malformed("a line ends without CR"))?;
                let line = line.to_vec();
                self.taken += at + 1;
                return Ok(line);
            }
            if unread.len() >= max_bytes {
                return Err(WireFault::Malformed("a line of a chunked body is too long"));
            }
            poll_fn(|cx| match self.poll_ahead(cx) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(WireFault::Closed("within a body"))),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(broken(&error))),
                Poll::Pending => self.clock.poll(cx, "in a body").map(Err),
            })
            .await?;
            self.clock.moved();
        }
    }

    /// Reads ahead; 0 is the end of the connection.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        if self.filled == self.ahead.len() {
            if self.taken > 0 {
                self.ahead.copy_within(self.taken..self.filled, 0);
                (self.taken, self.filled) = (0, self.filled - self.taken);
            } else {
                // The parsers refuse a head or a line of this length; while sending there is no need to read on.
                let len = (2 * self.ahead.len()).min(2 * MAX_HEAD_BYTES);
                if len == self.ahead.len() {
                    return Poll::Pending;
                }
                self.ahead.resize(len, 0);
            }
        }
        let mut into = ReadBuf::new(&mut self.ahead[self.filled..]);
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut into))?;
        let read = into.filled().len();
        self.filled += read;
        Poll::Ready(Ok(read))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.sending {
            self.wire.reset_on_close();
        }
    }
}

fn broken(error: &io::Error) -> WireFault {
    match error.kind() {
        // rustls: the peer closed without saying goodbye.
        io::ErrorKind::UnexpectedEof => WireFault::Closed("within a body"),
        kind => WireFault::Io(kind),
    }
}

/// Fires when nothing has moved for a while. Set only when there is something to wait for: a stream at full speed
/// never touches the timer.
struct IdleClock {
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
    running: bool,
}

impl IdleClock {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: Box::pin(tokio::time::sleep(limit)), running: false }
    }

    const fn moved(&mut self) {
        self.running = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>, during: &'static str) -> Poll<WireFault> {
        self.poll_for(cx, self.limit, during)
    }

    fn poll_for(&mut self, cx: &mut Context<'_>, limit: Duration, during: &'static str) -> Poll<WireFault> {
        if !self.running {
            self.sleep.as_mut().reset(Instant::now() + limit);
            self.running = true;
        }
        self.sleep.as_mut().poll(cx).map(|()| WireFault::Idle { limit, during })
    }
}
