//! The proxy that everything is held against: hyper in, hyper out, bodies streamed as they come; no authentication, no
//! encryption, no copy of its own. 1.00 in every ratio.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self as client, SendRequest};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::Mutex;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::tls::{Certificate, server_name};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where to pass to, and how.
#[derive(Clone)]
struct Backend {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

/// Serves on as many threads as there are cores, as Crypt-Keeper does.
pub(crate) fn run(listener: std::net::TcpListener, address: SocketAddr, certificate: Option<&Certificate>) {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    listener.set_nonblocking(true).expect("a socket");
    let acceptor = certificate.map(|certificate| TlsAcceptor::from(certificate.server()));
    let backend = Backend { address, tls: certificate.map(|certificate| TlsConnector::from(certificate.client())) };
    runtime.block_on(async { accept(TcpListener::from_std(listener)?, acceptor, backend).await }).expect("connections");
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, backend: Backend) -> Result<(), Failure> {
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (acceptor, backend) = (acceptor.clone(), backend.clone());
        // A connection that ends badly is the client's to notice.
        tokio::spawn(async move {
            match acceptor {
                None => connection(tcp, backend).await,
                Some(acceptor) => connection(acceptor.accept(tcp).await?, backend).await,
            }
        });
    }
}

/// Each connection has one of its own to the backend, so that there is no pool to pay for.
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, backend: Backend) -> Result<(), Failure> {
    let upstream = Arc::new(Mutex::new(None));
    let service = service_fn(move |request| pass(request, Arc::clone(&upstream), backend.clone()));
    server::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

async fn pass(
    request: Request<Incoming>,
    upstream: Arc<Mutex<Option<SendRequest<Incoming>>>>,
    backend: Backend,
) -> Result<Response<Incoming>, Failure> {
    let mut upstream = upstream.lock().await;
    let mut sender = match upstream.take() {
        Some(sender) if !sender.is_closed() => sender,
        _ => connect(backend).await?,
    };
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    *upstream = Some(sender);
    Ok(answer)
}

async fn connect(backend: Backend) -> Result<SendRequest<Incoming>, Failure> {
    let tcp = TcpStream::connect(backend.address).await?;
    tcp.set_nodelay(true)?;
    match backend.tls {
        None => handshake(tcp).await,
        Some(connector) => handshake(connector.connect(server_name(), tcp).await?).await,
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Incoming>, Failure> {
    let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
