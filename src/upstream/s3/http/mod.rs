//! HTTP/1.1 towards one service, as far as S3 needs it.
//!
//! Written here and not taken from a client library for the sake of the data path (design.md, section 3): a body goes up
//! from the buffer that its source has filled, and comes down from the socket into the buffer that its reader has handed
//! in. Nothing is copied, allocated or sent through a channel on the way, and no task stands between: a future that is
//! dropped closes its connection there and then. It also hears an answer that comes before the end of a body, and what
//! it does not have cannot be abused: no redirects, no cookies, no compression, no proxies, no HTTP/2, no upgrades.

mod body;
mod connection;
mod head;
mod pool;
mod tls;
mod wire;

pub(super) use body::AnswerBody;
pub(super) use connection::{Connection, Heard, Sent};
pub(super) use head::{AnswerHead, Asked, Framing, Parsed, parse};
pub(super) use pool::{History, Host, Idle, Lease, Pool, PoolSettings};
pub(super) use tls::client_config;

/// What goes wrong between us and the service. Texts never hold what was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireFault {
    /// No connection came to stand.
    #[error("no connection: {0}")]
    Connect(String),
    /// No connection came to stand in time.
    #[error("no connection stood after {} s", .0.as_secs_f32())]
    ConnectTimeout(std::time::Duration),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(std::io::ErrorKind),
    /// It ended where more was promised.
    #[error("the connection was closed {0}")]
    Closed(&'static str),
    /// No byte moved for the idle timeout.
    #[error("nothing moved for {} s {during}", limit.as_secs())]
    Idle {
        /// For how long.
        limit: std::time::Duration,
        /// While doing what.
        during: &'static str,
    },
    /// What came is not HTTP/1.1 as we accept it.
    #[error("its answer is not sound: {0}")]
    Malformed(&'static str),
}
