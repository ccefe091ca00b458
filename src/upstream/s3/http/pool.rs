//! Connections that stand, for the next request.
//!
//! Only idle ones are bounded: a request that holds one connection and waits for a second (a copy that re-encrypts)
//! would wait for ever in a pool that bounds those in use.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::WireFault;
use super::connection::Connection;
use super::wire::Wire;

/// How long a connection is kept. Services close idle ones after 20 s (S3) to some minutes; ours go first.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// How long ago a connection must have been used to carry a request that cannot be sent twice.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// How long one address of a name is waited for before the next is tried beside it (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// Addresses of a name that are tried; S3 tells eight.
const MAX_ADDRESSES: usize = 16;

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
    pub(in crate::upstream::s3) resolve_to: Option<SocketAddr>,
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
        let failed = |error: io::Error| WireFault::Connect(error.to_string());
        let tcp = match self.settings.resolve_to {
            Some(address) => TcpStream::connect(address).await,
            None => match lookup_host((&**host, self.settings.port)).await {
                Ok(addresses) => first_to_stand(addresses).await,
                Err(error) => Err(error),
            },
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

/// A connection to one of `addresses`, in their order; one that does not answer holds up the others but for a moment.
async fn first_to_stand(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut rest = addresses.take(MAX_ADDRESSES);
    // Dropped, it ends the attempts that are still on their way.
    let mut trying = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let ended = match rest.next() {
            Some(address) => {
                trying.spawn(TcpStream::connect(address));
                timeout(NEXT_ADDRESS_AFTER, trying.join_next()).await.ok().flatten()
            }
            None => match trying.join_next().await {
                None => return Err(failure),
                ended => ended,
            },
        };
        match ended {
            Some(Ok(Ok(tcp))) => return Ok(tcp),
            Some(Ok(Err(error))) => failure = error,
            Some(Err(aborted)) => failure = aborted.into(),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::time::timeout;

    use super::first_to_stand;

    /// A listener whose queue is full: the kernel lets every further attempt wait.
    async fn unreachable() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut queue = Vec::new();
        while let Ok(stands) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            queue.push(stands.expect("a place in the queue"));
        }
        (listener, queue)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_holds_up_the_others_but_for_a_moment() {
        let (silent, _queue) = unreachable().await;
        let answers = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = |listener: &TcpListener| listener.local_addr().expect("an address");
        let begun = Instant::now();
        let tcp = first_to_stand([at(&silent), at(&answers)].into_iter()).await.expect("the second");
        assert_eq!(tcp.peer_addr().expect("an address"), at(&answers));
        assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_at_once() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let answers = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let both = [closed, answers.local_addr().expect("an address")];
        assert!(first_to_stand(both.into_iter()).await.is_ok());
        assert!(first_to_stand([closed].into_iter()).await.is_err());
        assert!(first_to_stand(std::iter::empty::<SocketAddr>()).await.is_err());
    }
}
