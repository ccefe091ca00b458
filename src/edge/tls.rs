//! TLS in front of the S3 listener: 1.2 and 1.3, HTTP/1.1 only, and a certificate that changes with its files.
//!
//! New connections get the certificate that is current at their handshake; those that are open keep theirs. A pair that
//! cannot be used leaves the one before it in its place.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

use crate::base::Shutdown;

/// What TLS keeps of one connection at most: 64 KiB of records on their way out (rustls' limit), and two records on their
/// way in, as they came and opened.
pub const BUFFER_BYTES: usize = (64 << 10) + 2 * (18 << 10);
/// A handshake is two round trips and a millisecond of computing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way at a time; further ones wait within their timeout.
const MAX_HANDSHAKES: usize = 256;
/// How often the files are looked at. SIGHUP asks for it at once.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);
/// What ALPN may choose. S3 itself speaks nothing else.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Where certificate and key are, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, SEC1 or PKCS#1.
    pub private_key: PathBuf,
}

/// Why certificate and key cannot be used: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// A file that is not there, or not PEM of the wanted kind.
    #[error("{setting}: {path} holds no {wanted} that can be read ({detail}): give a PEM file")]
    Unreadable {
        /// Which setting names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// Why not.
        detail: String,
    },
    /// They do not belong together.
    #[error(
        "tls: the key in {private_key} is not that of the certificate in {certificate}: give files that belong together"
    )]
    Strangers {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
    /// A kind of key or certificate that is not supported.
    #[error("tls: {certificate} and {private_key} cannot be used ({detail}): use an RSA, ECDSA or Ed25519 key")]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
        /// Why not.
        detail: String,
    },
    /// This build knows no cipher for a version of TLS.
    #[error("tls: {0}")]
    Provider(String),
}

/// The certificate in use.
#[derive(Debug)]
pub struct Certificates {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// Of the files when they were last looked at.
    stamps: Mutex<[Stamp; 2]>,
}

/// What changes when a file is written or another one takes its place; `None` where there is none.
type Stamp = Option<(u64, u64, i64, i64)>;

/// What came of a look at the files.
#[derive(Debug)]
pub enum Reload {
    /// They are as they were.
    Unchanged,
    /// The new pair is in use.
    Changed,
    /// The new pair cannot be used.
    Kept(CertificateFault),
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// One line that says what to do.
    pub fn load(files: CertificateFiles) -> Result<Arc<Self>, CertificateFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        // Before they are read: a change in between is seen the next time.
        let stamps = Mutex::new(stamps(&files));
        let current = RwLock::new(read(&files, &provider)?);
        Ok(Arc::new(Self { files, provider, current, stamps }))
    }

    /// Reads the files again if they have changed since the last time.
    pub fn reload(&self) -> Reload {
        let now = stamps(&self.files);
        {
            let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
            if *stamps == now {
                return Reload::Unchanged;
            }
            *stamps = now;
        }
        match read(&self.files, &self.provider) {
            Ok(pair) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = pair;
                Reload::Changed
            }
            Err(fault) => Reload::Kept(fault),
        }
    }

    /// Follows the files until the shutdown begins.
    pub async fn follow(self: Arc<Self>, mut shutdown: Shutdown) {
        let mut ticks = interval(RELOAD_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangups = signal(SignalKind::hangup())
            .inspect_err(
                |error| warn!(%error, "SIGHUP cannot be received: certificates are reloaded by their files alone"),
            )
            .ok();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = async { match &mut hangups {
                    Some(hangups) => { hangups.recv().await; }
                    None => std::future::pending().await,
                } } => {}
                () = shutdown.begun() => return,
            }
            let certificates = Arc::clone(&self);
            // Files may lie on a network.
            match spawn_blocking(move || certificates.reload()).await {
                Ok(Reload::Unchanged) | Err(_) => {}
                Ok(Reload::Changed) => {
                    info!(certificate = %self.files.certificate.display(), "a new certificate is in use")
                }
                Ok(Reload::Kept(fault)) => warn!(%fault, "the certificate before it stays in use"),
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Makes connections private.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
}

impl Tls {
    /// With whatever certificate is current at the time of a handshake.
    ///
    /// # Errors
    /// None with the provider that is built in.
    pub fn new(certificates: Arc<Certificates>) -> Result<Self, CertificateFault> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&certificates.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| CertificateFault::Provider(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), handshakes })
    }

    /// Shakes hands, in the task of the connection.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let shaken = timeout(HANDSHAKE_TIMEOUT, async {
            // Never closed, so never an error.
            let _turn = self.handshakes.acquire().await;
            self.acceptor.accept(stream).await
        });
        shaken.await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn stamps(files: &CertificateFiles) -> [Stamp; 2] {
    let stamp = |path: &Path| {
        let facts = fs::metadata(path).ok()?;
        Some((facts.ino(), facts.size(), facts.mtime(), facts.mtime_nsec()))
    };
    [stamp(&files.certificate), stamp(&files.private_key)]
}

fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, CertificateFault> {
    let CertificateFiles { certificate, private_key } = files;
    let unreadable = |setting, path: &Path, wanted| {
        let path = path.to_owned();
        move |error: pem::Error| {
            let detail = match error {
                pem::Error::Io(error) => error.to_string(),
                pem::Error::NoItemsFound => "there is none in it".to_owned(),
                // Said without what stands in the file, which may be the key.
                _ => "it is not PEM".to_owned(),
            };
            CertificateFault::Unreadable { setting, path, wanted, detail }
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(unreadable("tls.certificate_file", certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(unreadable(
        "tls.private_key_file",
        private_key,
        "private key",
    ))?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let (certificate, private_key) = (certificate.clone(), private_key.clone());
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateFault::Strangers { certificate, private_key }
            }
            error => CertificateFault::Unusable { certificate, private_key, detail: error.to_string() },
        }
    })?;
    Ok(Arc::new(pair))
}

#[cfg(test)]
mod tests;
