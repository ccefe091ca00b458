//! One connection, from its first byte to the way it ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::stream::ClientStream;
use super::{AnswerBody, EdgeLimits, Service};
use crate::base::Shutdown;

/// A request's line and headers together. A key of 1024 bytes takes 3 KiB in a URL, 2 KiB of metadata as much, a
/// session token some: this is several times what any client sends.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// S3 takes 8 KiB of headers, and the shortest `x-amz-meta-a:` line has 15 bytes. hyper's own limit is 100, which a client
/// with much metadata exceeds.
const MAX_HEADERS: usize = 512;
/// How long we wait for the next bytes of a body that nobody wants, and for all of them.
const LINGER_STEP: Duration = Duration::from_secs(2);
const LINGER_TOTAL: Duration = Duration::from_secs(10);
/// Unwanted bytes are read in pieces of this size.
const LINGER_BUFFER_BYTES: usize = 16 << 10;

/// Serves the requests of one connection, one after another.
pub(super) async fn serve<S, B>(tcp: TcpStream, peer: SocketAddr, service: S, limits: EdgeLimits, shutdown: Shutdown)
where
    S: Service<B>,
    B: AnswerBody,
{
    // Answers are written whole buffers at a time; waiting for more to send would only delay the small ones.
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY was refused");
    }
    let stream = TokioIo::new(ClientStream::new(tcp, limits.idle_timeout));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let answering = service(request, peer);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        // A client may close its sending side after the request and still wants the answer.
        .half_close(true)
        .serve_connection(stream, service);

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
    // Anything that is not listed here drops the stream as it is, which resets the connection.
    match ended {
        Ok(()) => end(connection.into_parts().io.into_inner(), shutdown).await,
        Err(error) if error.is_parse() || error.is_parse_too_large() => {
            debug!(%peer, %error, "not a request that we take");
            end(connection.into_parts().io.into_inner(), shutdown).await;
        }
        Err(error) if error.is_timeout() => connection.into_parts().io.into_inner().end_cleanly(),
        Err(error) => debug!(%peer, %error, "the connection broke off"),
    }
}

/// Waits a little for the client to see the answer: closing a socket that still receives makes the kernel send a
/// reset, and a reset destroys the answer that the client has not read yet (a 403 in the middle of its upload).
async fn end(mut stream: ClientStream, mut shutdown: Shutdown) {
    stream.end_cleanly();
    let discard = async {
        let mut unwanted = [0; LINGER_BUFFER_BYTES];
        while let Ok(Ok(1..)) = timeout(LINGER_STEP, stream.read(&mut unwanted)).await {}
    };
    tokio::select! {
        _ = timeout(LINGER_TOTAL, discard) => {}
        () = shutdown.begun() => {}
    }
}
