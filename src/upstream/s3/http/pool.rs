//! Connections that stand, for the next request.
//!
//! Only idle ones are bounded: a request that holds one connection and waits for a second (a copy that re-encrypts)
//! would wait for ever in a pool that bounds those in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::WireFault;
use super::connection::Connection;
use super::wire::Wire;

/// How long a connection is kept. Services close idle ones after 20 s (S3) to some minutes; ours go first.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// How long ago a connection must have been used to carry a request that cannot be sent twice.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A pool of connections to one service.
pub(in crate::upstream::s3) struct Pool {
    settings: PoolSettings,
    idle: Mutex<HashMap<Host, Vec<Resting>>>,
}

/// What a pool is made of.
pub(in crate::upstream::s3) struct PoolSettings {
    /// With TLS, how.
    pub(in crate::upstream::s3) tls: Option<Arc<ClientConfig>>,
    /// The port, on every host.
    pub(in crate::upstream::s3) port: u16,
    /// Where every host is, instead of asking the resolver. For tests.
    pub(in crate::upstream::s3) resolve_to: Option<std::net::SocketAddr>,
    /// How long a connection may take to stand.
    pub(in crate::upstream::s3) connect_timeout: Duration,
    /// How long nothing may move.
    pub(in crate::upstream::s3) idle_timeout: Duration,
    /// How many are kept.
    pub(in crate::upstream::s3) max_idle: usize,
}

/// A host to connect to: a name or an address, IPv6 without brackets.
pub(in crate::upstream::s3) type Host = Arc<str>;

/// Which idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) enum Idle {
    /// Any that is open: the request can be sent again if it closes under it.
    Any,
    /// One that was in use a moment ago: the service will hardly close it just now.
    Fresh,
    /// None: the last one failed.
    No,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

/// A connection out of the pool. Dropped, it is closed.
pub(in crate::upstream::s3) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    host: Host,
    /// Whether it has carried a request before.
    pub(in crate::upstream::s3) history: History,
}

/// Whether a connection has carried a request before: then the service may have closed it at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) enum History {
    New,
    Used,
}

impl Lease {
    /// The connection.
    pub(in crate::upstream::s3) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Keeps it for another request.
    pub(super) fn give_back(self) {
        if self.connection.is_silent() {
            self.pool.keep(self.host, self.connection);
        }
    }
}

impl Pool {
    pub(in crate::upstream::s3) fn new(settings: PoolSettings) -> Arc<Self> {
        Arc::new(Self { settings, idle: Mutex::default() })
    }

    /// A connection to `host`: one that stands, or a new one.
    pub(in crate::upstream::s3) async fn lease(self: &Arc<Self>, host: &Host, idle: Idle) -> Result<Lease, WireFault> {
        let (connection, history) = match self.idle_to(host, idle) {
            Some(connection) => (connection, History::Used),
            None => (self.connect(host).await?, History::New),
        };
        Ok(Lease { connection, pool: Arc::clone(self), host: Arc::clone(host), history })
    }

    fn idle_to(&self, host: &Host, idle: Idle) -> Option<Connection> {
        let kept_for = match idle {
            Idle::Any => KEPT_FOR,
            Idle::Fresh => FRESH_FOR,
            Idle::No => return None,
        };
        loop {
            // The newest first: the others grow old and are closed.
            let resting = {
                let mut hosts = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let list = hosts.get_mut(host)?;
                if list.last()?.since.elapsed() > kept_for {
                    return None;
                }
                list.pop()?
            };
            if resting.connection.is_quiet() {
                return Some(resting.connection);
            }
        }
    }

    fn keep(&self, host: Host, connection: Connection) {
        let mut hosts = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.values().map(Vec::len).sum::<usize>() < self.settings.max_idle {
            hosts.entry(host).or_default().push(Resting { connection, since: Instant::now() });
        }
    }

    /// Closes what has rested too long.
    fn prune(&self) {
        let mut hosts = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, list| {
            list.retain(|resting| resting.since.elapsed() <= KEPT_FOR);
            !list.is_empty()
        });
    }

    /// Closes idle connections in time, for as long as the pool lives: an idle proxy holds none.
    pub(in crate::upstream::s3) fn prune_while_alive(self: &Arc<Self>) {
        let pool: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEPT_FOR).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.prune();
            }
        });
    }

    async fn connect(&self, host: &Host) -> Result<Connection, WireFault> {
        let wire = timeout(self.settings.connect_timeout, self.open(host))
            .await
            .map_err(|_| WireFault::ConnectTimeout(self.settings.connect_timeout))??;
        Ok(Connection::new(wire, self.settings.idle_timeout))
    }

    async fn open(&self, host: &Host) -> Result<Wire, WireFault> {
        let failed = |error: std::io::Error| WireFault::Connect(error.to_string());
        let tcp = match self.settings.resolve_to {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((&**host, self.settings.port)).await,
        }
        .map_err(failed)?;
        // Requests are written whole; waiting for more of them only delays the last packet.
        tcp.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.settings.tls else { return Ok(Wire::Plain(tcp)) };
        let name = ServerName::try_from(host.to_string())
            .map_err(|_| WireFault::Connect("the host is no name for TLS".to_owned()))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        let stream = stream.map_err(|error| WireFault::Connect(format!("TLS: {error}")))?;
        Ok(Wire::Tls(Box::new(stream)))
    }
}
