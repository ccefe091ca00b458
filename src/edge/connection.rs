//! One connection, from its first byte to the way it ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tracing::debug;

use super::exchange::Shared;
use super::stream::{ClientStream, Transport};
use super::{AnswerBody, EdgeLimits, Service, refusal};
use crate::base::Shutdown;

/// A request's line and headers together. A key of 1024 bytes takes 3 KiB in a URL, 2 KiB of metadata as much, a
/// session token some: this is several times what any client sends.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// S3 takes 8 KiB of headers, and the shortest `x-amz-meta-a:` line has 15 bytes. hyper's own limit is 100, which a client
/// with much metadata exceeds.
const MAX_HEADERS: usize = 512;
/// What one read takes from a client at most, and how much of an answer may wait in hyper before it asks for more.
pub(super) const BUFFER_BYTES: usize = 256 << 10;
/// How long we wait for the next bytes of a body that nobody wants, and for all of them.
const LINGER_STEP: Duration = Duration::from_secs(2);
const LINGER_TOTAL: Duration = Duration::from_secs(10);
/// Unwanted bytes are read in pieces of this size.
const LINGER_BUFFER_BYTES: usize = 16 << 10;

/// Serves the requests of one connection, one after another.
pub(super) async fn serve<S: Service, T: Transport>(
    transport: T,
    peer: SocketAddr,
    service: S,
    limits: EdgeLimits,
    shutdown: Shutdown,
) {
    let exchange = Shared::new();
    let stream = TokioIo::new(ClientStream::new(transport, exchange.clone(), limits.idle_timeout));
    let answering = {
        let (service, exchange) = (service.clone(), exchange.clone());
        service_fn(move |request: Request<Incoming>| answer(service.clone(), exchange.clone(), request, peer))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER_BYTES)
        // A client may close its sending side after the request and still wants the answer.
        .half_close(true)
        .serve_connection(stream, answering);

    let mut draining = shutdown.clone();
    let ended = {
        let mut connection = Pin::new(&mut connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = draining.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let mut stream = connection.into_parts().io.into_inner();
    // Anything that is not listed here drops the stream as it is, which resets the connection.
    match ended {
        Ok(()) => end(stream, shutdown).await,
        Err(error) => {
            let (head_has_begun, hyper_refuses) = {
                let exchange = exchange.lock();
                (exchange.framing.head_has_begun(), exchange.hyper_refuses())
            };
            debug!(%peer, %error, "the connection broke off");
            match refusal::of(&error, head_has_begun) {
                // An answer is still on its way, and hyper's refusal behind it: nothing can be put between them.
                Some(_) if !hyper_refuses => end(stream, shutdown).await,
                Some(refused) => {
                    refusal::write(stream.transport(), service.refuse(refused, peer)).await;
                    end(stream, shutdown).await;
                }
                None if error.is_timeout() => end(stream, shutdown).await,
                None => {}
            }
        }
    }
}

/// The answer to come. What is not in the future happens before hyper reads on.
fn answer<S: Service>(
    service: S,
    exchange: Shared,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> impl Future<Output = Result<Response<Watched<S::Body>>, Infallible>> {
    let begun = exchange.lock().begin(&request);
    async move {
        let answer = match begun {
            Ok(()) => service.answer(request, peer).await,
            Err(refused) => service.refuse(refused, peer),
        };
        Ok(answer.map(|body| Watched { body, _end: End(exchange) }))
    }
}

/// Says farewell, and waits a little for the client to see the answer: closing a socket that still receives makes the
/// kernel send a reset, and a reset destroys the answer that the client has not read yet (a 403 in the middle of its
/// upload).
async fn end<T: Transport>(mut stream: ClientStream<T>, mut shutdown: Shutdown) {
    stream.end_cleanly();
    let transport = stream.transport();
    let discard = async {
        if transport.shutdown().await.is_err() {
            return;
        }
        let mut unwanted = [0; LINGER_BUFFER_BYTES];
        while let Ok(Ok(1..)) = timeout(LINGER_STEP, transport.read(&mut unwanted)).await {}
    };
    tokio::select! {
        _ = timeout(LINGER_TOTAL, discard) => {}
        () = shutdown.begun() => {}
    }
}

/// The body of an answer, and the moment when hyper has all of it.
struct Watched<B> {
    body: B,
    _end: End,
}

struct End(Shared);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().encoded();
    }
}

impl<B: AnswerBody> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
