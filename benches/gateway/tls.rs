//! TLS on both legs: one certificate for everybody, made for the run.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::wire::Wire;

/// A directory with a certificate for 127.0.0.1 and its key.
#[derive(Clone)]
pub(crate) struct Certificate {
    dir: PathBuf,
}

impl Certificate {
    /// Makes one.
    pub(crate) fn make(dir: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed([address().to_string()]).expect("a certificate");
        let certificate = Self { dir: dir.to_owned() };
        fs::write(certificate.file(), made.cert.pem()).expect("a file");
        fs::write(certificate.key_file(), made.signing_key.serialize_pem()).expect("a file");
        certificate
    }

    /// The one that another process has made.
    pub(crate) const fn found(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The certificate, PEM; it is its own authority.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join("tls.crt")
    }

    /// The key, PEM.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.dir.join("tls.key")
    }

    /// What whoever connects needs.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.read()).expect("an authority");
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }

    /// What whoever listens needs.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_file(self.key_file()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![self.read()], key);
        Arc::new(config.expect("a pair"))
    }

    fn read(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file()).expect("a certificate")
    }
}

/// Whom the certificate is for.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::from(address())
}

const fn address() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

/// The connecting side of a wire.
pub(crate) fn connected(tcp: TcpStream, config: Option<&Arc<ClientConfig>>) -> io::Result<Wire> {
    let Some(config) = config else { return Wire::plain(tcp) };
    tcp.set_nodelay(true)?;
    let tls = ClientConnection::new(Arc::clone(config), server_name()).map_err(io::Error::other)?;
    Ok(Wire::new(Box::new(StreamOwned::new(tls, tcp))))
}

/// The listening side of a wire.
pub(crate) fn accepted(tcp: TcpStream, config: Option<&Arc<ServerConfig>>) -> io::Result<Wire> {
    let Some(config) = config else { return Wire::plain(tcp) };
    tcp.set_nodelay(true)?;
    let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Ok(Wire::new(Box::new(StreamOwned::new(tls, tcp))))
}
