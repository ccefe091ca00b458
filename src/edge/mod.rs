//! The S3 listener: it accepts connections within limits, speaks HTTP/1.1 (as S3 itself, and nothing else), plain or over
//! TLS, hands every request to one service, and drains.
//!
//! It knows nothing of S3. What it promises the service: a body that ends in an error never looks complete to the
//! client, a panic ends one connection only, an answer given before the request's body was read arrives, and whatever
//! is refused before there is a request is answered in the service's words too.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::base::{Metrics, Refusal, Shutdown};

mod connection;
mod exchange;
mod framing;
mod refusal;
mod reserved;
mod stream;
#[cfg(test)]
mod tests;
pub mod tls;

pub use reserved::Reserved;

use self::tls::Tls;

/// After a failed accept (out of file descriptors, mostly): long enough not to spin, short enough not to be noticed.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Connections beyond the limit that are told so at a time. Clients can use a 503; where even these are too many, the
/// rest waits in the accept queue of the operating system.
const SURPLUS_CONNECTIONS: usize = 64;
/// How long such a connection may take for its request: it stands in the way of others.
const SURPLUS_TIMEOUT: Duration = Duration::from_secs(5);

/// What one connection holds at most while nothing is asked on it: what hyper keeps for the next read.
pub const CONNECTION_BYTES: usize = connection::BUFFER_BYTES + tls::BUFFER_BYTES;
/// What the body of one request, or of one answer, holds at most in the listener beside that. Of an upload: a frame in
/// the service's hands, and one behind it. Of a download: what waits in hyper, below its limit before the last frame of
/// the same size came.
pub const BODY_BYTES: usize = 2 * connection::BUFFER_BYTES;

/// What answers requests.
pub trait Service: Clone + Send + Sync + 'static {
    /// Of an answer.
    type Body: AnswerBody;

    /// Answers a request.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;

    /// The answer where there is no request to look at. Its body is in memory; the connection ends after it.
    fn refuse(&self, refusal: Refusal, peer: SocketAddr) -> Response<Self::Body>;
}

/// What may end an answer early, besides the network.
pub trait AnswerBody:
    Body<Data: Send, Error: std::error::Error + Send + Sync + 'static> + Send + Unpin + 'static
{
}

impl<B> AnswerBody for B where
    B: Body<Data: Send, Error: std::error::Error + Send + Sync + 'static> + Send + Unpin + 'static
{
}

/// The limits of the listener; `config::Limits` says what each is for.
#[derive(Clone, Copy, Debug)]
pub struct EdgeLimits {
    /// Open connections; some more are answered with a refusal, and the rest waits.
    pub max_connections: usize,
    /// For a request's head, from the connection's start or the last answer.
    pub header_read_timeout: Duration,
    /// For a client that takes nothing of an answer.
    pub idle_timeout: Duration,
    /// For requests in flight, once the shutdown has begun.
    pub drain_timeout: Duration,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the end of the drain and were cut off.
    pub cut_off: usize,
}

/// Serves connections of `listener` until the shutdown begins, then drains. Without `tls` in clear.
pub async fn serve<S: Service>(
    listener: TcpListener,
    tls: Option<Tls>,
    service: S,
    limits: EdgeLimits,
    metrics: Arc<Metrics>,
    mut shutdown: Shutdown,
) -> Drained {
    let slots = Slots::new(limits.max_connections);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(ended) = connections.join_next() => note_panic(ended, &metrics),
            Some((stream, peer, slot)) = accept(&listener, &slots) => {
                let open = metrics.connection_opened();
                let (tls, service, metrics, shutdown) = (tls.clone(), service.clone(), metrics.clone(), shutdown.clone());
                connections.spawn(async move {
                    if slot.seat.is_some() {
                        converse(stream, peer, tls, service, limits, &metrics, shutdown).await;
                    } else {
                        let limits = EdgeLimits { header_read_timeout: SURPLUS_TIMEOUT, ..limits };
                        converse(stream, peer, tls, Full(service), limits, &metrics, shutdown).await;
                    }
                    drop((open, slot));
                });
            }
        }
    }
    // Closed first: clients are refused now and go elsewhere, instead of waiting in the queue.
    drop(listener);
    drain(connections, limits.drain_timeout, &metrics).await
}

/// The conversation of one connection, after the handshake where there is one.
async fn converse<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    service: S,
    limits: EdgeLimits,
    metrics: &Metrics,
    shutdown: Shutdown,
) {
    // Answers are written whole buffers at a time; waiting for more to send would only delay the small ones.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY was refused");
    }
    match tls {
        None => connection::serve(stream, peer, service, limits, shutdown).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => connection::serve(stream, peer, service, limits, shutdown).await,
            Err(error) => {
                metrics.handshake_failed();
                debug!(%peer, %error, "no TLS came about");
            }
        },
    }
}

/// Refuses every request: there are too many connections.
#[derive(Clone)]
struct Full<S>(S);

impl<S: Service> Service for Full<S> {
    type Body = S::Body;

    fn answer(
        &self,
        _: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static {
        std::future::ready(self.0.refuse(Refusal::TooManyConnections, peer))
    }

    fn refuse(&self, refusal: Refusal, peer: SocketAddr) -> Response<Self::Body> {
        self.0.refuse(refusal, peer)
    }
}

/// Room for connections.
struct Slots {
    /// For those that are served.
    seats: Arc<Semaphore>,
    /// For all of them.
    all: Arc<Semaphore>,
}

/// One connection's room.
struct Slot {
    /// `None`: it is one too many.
    seat: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

impl Slots {
    fn new(seats: usize) -> Self {
        let all = seats.saturating_add(SURPLUS_CONNECTIONS).min(Semaphore::MAX_PERMITS);
        Self { seats: Arc::new(Semaphore::new(seats)), all: Arc::new(Semaphore::new(all)) }
    }
}

/// The next connection with its slot; `None` after a failure, when a moment has passed. Cancel-safe.
async fn accept(listener: &TcpListener, slots: &Slots) -> Option<(TcpStream, SocketAddr, Slot)> {
    // Never closed, so never an error.
    let all = Arc::clone(&slots.all).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let seat = Arc::clone(&slots.seats).try_acquire_owned().ok();
            Some((stream, peer, Slot { seat, _all: all }))
        }
        Err(error) => {
            warn!(%error, "a connection could not be accepted");
            sleep(ACCEPT_RETRY_DELAY).await;
            None
        }
    }
}

async fn drain(mut connections: JoinSet<()>, within: Duration, metrics: &Metrics) -> Drained {
    if !connections.is_empty() {
        info!(connections = connections.len(), "draining");
    }
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            note_panic(ended, metrics);
        }
    };
    if timeout(within, all_ended).await.is_ok() {
        return Drained { cut_off: 0 };
    }
    let cut_off = connections.len();
    warn!(connections = cut_off, "the drain took too long: the rest is cut off");
    connections.shutdown().await;
    Drained { cut_off }
}

fn note_panic(ended: Result<(), JoinError>, metrics: &Metrics) {
    if ended.is_err_and(|error| error.is_panic()) {
        metrics.panicked();
        error!("a connection was ended by a panic: this is a bug");
    }
}
