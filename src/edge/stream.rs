//! A client's TCP connection that is reset unless it was ended on purpose, and that does not wait for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The stream of one client.
///
/// The contract: call [`ClientStream::end_cleanly`] once the conversation has come to its end. Dropped without it (a
/// panic, an aborted task, an answer that failed half-way) the connection is reset, so that no client takes what it
/// got for the whole: with an answer that only the end of the connection delimits, FIN would say just that.
pub(super) struct ClientStream {
    tcp: TcpStream,
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

impl ClientStream {
    pub(super) const fn new(tcp: TcpStream, write_timeout: Duration) -> Self {
        Self { tcp, ending: Ending::Reset, write_timeout, write_stalled: None }
    }

    /// From here on a drop closes the connection in the ordinary way.
    pub(super) const fn end_cleanly(&mut self) {
        self.ending = Ending::Clean;
    }

    /// Passes the result of a write on; one that waits longer than the timeout fails.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
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

impl Drop for ClientStream {
    fn drop(&mut self) {
        if matches!(self.ending, Ending::Reset) {
            // It can fail only on a socket that is broken already.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, into)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
