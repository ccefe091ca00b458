//! The S3 listener: it accepts connections within limits, speaks HTTP/1.1 (as S3 itself, and nothing else), hands every
//! request to one service, and drains.
//!
//! It knows nothing of S3. What it promises the service: a body that ends in an error never looks complete to the
//! client, a panic ends one connection only, and an answer given before the request's body was read arrives.

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
use tracing::{error, info, warn};

use crate::base::{Metrics, Shutdown};

mod connection;
mod reserved;
mod stream;
#[cfg(test)]
mod tests;

pub use reserved::Reserved;

/// After a failed accept (out of file descriptors, mostly): long enough not to spin, short enough not to be noticed.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// What answers requests. A plain function type with the bounds that a connection's task needs.
pub trait Service<B>: Fn(Request<Incoming>, SocketAddr) -> Self::Answering + Clone + Send + Sync + 'static {
    /// The answer to come.
    type Answering: Future<Output = Response<B>> + Send + 'static;
}

impl<B, S, F> Service<B> for S
where
    S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
{
    type Answering = F;
}

/// What may end an answer early, besides the network.
pub trait AnswerBody: Body<Data: Send, Error: std::error::Error + Send + Sync + 'static> + Send + 'static {}

impl<B> AnswerBody for B where B: Body<Data: Send, Error: std::error::Error + Send + Sync + 'static> + Send + 'static {}

/// The limits of the listener; `config::Limits` says what each is for.
#[derive(Clone, Copy, Debug)]
pub struct EdgeLimits {
    /// Open connections; more wait in the accept queue of the operating system.
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

/// Serves connections of `listener` until the shutdown begins, then drains.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: EdgeLimits,
    metrics: Arc<Metrics>,
    mut shutdown: Shutdown,
) -> Drained
where
    S: Service<B>,
    B: AnswerBody,
{
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(ended) = connections.join_next() => note_panic(ended, &metrics),
            Some((stream, peer, slot)) = accept(&listener, &slots) => {
                let open = metrics.connection_opened();
                let connection = connection::serve(stream, peer, service.clone(), limits, shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop((open, slot));
                });
            }
        }
    }
    // Closed first: clients are refused now and go elsewhere, instead of waiting in the queue.
    drop(listener);
    drain(connections, limits.drain_timeout, &metrics).await
}

/// The next connection with its slot; `None` after a failure, when a moment has passed. Cancel-safe.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Never closed, so never an error.
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
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
