//! A client's connection that is reset unless it was ended on purpose, that does not wait for ever, that shows hyper one
//! request at a time, and that lets none of hyper's own refusals out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::exchange::Shared;

/// What carries the bytes.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// From here on a drop resets the connection.
    fn reset_on_drop(&self);
}

impl Transport for TcpStream {
    fn reset_on_drop(&self) {
        // It can fail only on a socket that is broken already.
        let _ = self.set_zero_linger();
    }
}

impl Transport for TlsStream<TcpStream> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

/// The stream of one client.
///
/// The contract: call [`ClientStream::end_cleanly`] once the conversation has come to its end. Dropped without it (a
/// panic, an aborted task, an answer that failed half-way) the connection is reset, so that no client takes what it
/// got for the whole: with an answer that only the end of the connection delimits, FIN would say just that.
pub(super) struct ClientStream<T: Transport> {
    transport: T,
    exchange: Shared,
    /// What came behind a request's end; hyper gets it when it reads the next one. Never more than one read took.
    held: Bytes,
    ending: Ending,
    write_timeout: Duration,
    /// Runs while a write waits for the client to take bytes.
    write_stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
enum Ending {
    Reset,
    Clean,
}

impl<T: Transport> ClientStream<T> {
    pub(super) fn new(transport: T, exchange: Shared, write_timeout: Duration) -> Self {
        let held = Bytes::new();
        Self { transport, exchange, held, ending: Ending::Reset, write_timeout, write_stalled: None }
    }

    /// From here on a drop closes the connection in the ordinary way.
    pub(super) const fn end_cleanly(&mut self) {
        self.ending = Ending::Clean;
    }

    /// The transport, past everything that is done here for hyper.
    pub(super) const fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Passes the result of a write on; one that waits longer than the timeout fails.
    fn bounded<R>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.write_stalled = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let stalled = self.write_stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + write_timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl<T: Transport> Drop for ClientStream<T> {
    fn drop(&mut self) {
        if matches!(self.ending, Ending::Reset) {
            self.transport.reset_on_drop();
        }
    }
}

impl<T: Transport> AsyncRead for ClientStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut exchange = this.exchange.lock();
        if exchange.framing.head_has_ended() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a head ended, and none was parsed")));
        }
        if this.held.has_remaining() {
            let given = this.held.len().min(into.remaining());
            let taken = exchange.framing.feed(&this.held[..given]);
            into.put_slice(&this.held[..taken]);
            this.held.advance(taken);
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut this.transport).poll_read(cx, into))?;
        let came = &into.filled()[before..];
        let taken = if came.is_empty() { 0 } else { exchange.framing.feed(came) };
        if taken < came.len() {
            this.held = Bytes::copy_from_slice(&came[taken..]);
            into.set_filled(before + taken);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for ClientStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.exchange.lock().hyper_refuses() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.transport).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.lock().hyper_refuses() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    /// hyper asks for it once it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        let flushed = self.bounded(cx, flushed);
        if let Poll::Ready(Ok(())) = flushed {
            self.exchange.lock().flushed();
        }
        flushed
    }

    /// Nothing: hyper closes before it says that it refused, and the answer to that is still to come.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
