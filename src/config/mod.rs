//! Configuration in two stages: the raw tree with its places, then the resolved [`Config`].
//!
//! Every fault is reported in one run, unknown keys are faults, and nothing outside is touched before the whole is
//! sound. Names and defaults: `config/crypt-keeper.toml`, which a test loads.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{BucketName, SecretText};
use crate::keys::VaultSettings;
use crate::objects::{AdoptBuckets, BucketSettings, ForeignObjects};
use crate::upstream::s3::S3Settings;

mod dev;
mod fault;
mod keyring;
mod raw;
mod resolve;
mod secret;
mod upstream;

pub use dev::{ROOT_ACCESS_KEY_VARIABLE, ROOT_SECRET_KEY_VARIABLE};
pub use fault::{Fault, Faults};

/// Looks up an environment variable; tests pass their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A sound configuration.
pub struct Config {
    /// Where S3 clients connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// Certificate and key of the S3 listener; `None`: it speaks in clear.
    pub tls: Option<TlsConfig>,
    /// Where health and metrics are served.
    pub admin_listen: SocketAddr,
    /// The regions that a credential scope may name.
    pub region: Region,
    /// Domains below which `BUCKET.domain` addresses a bucket; lower case.
    pub domains: Vec<String>,
    /// Who the root user is.
    pub root: RootCredential,
    /// The database.
    pub store: StoreConfig,
    /// The upstreams that hold the ciphertext, by name; at least one.
    pub upstreams: Vec<UpstreamConfig>,
    /// What single buckets want.
    pub buckets: HashMap<BucketName, BucketSettings>,
    /// What wraps bucket keys.
    pub keyring: KeyringConfig,
    /// How it logs.
    pub log: LogConfig,
    /// What one process takes on.
    pub limits: Limits,
    /// The directory that is all ours in `dev`; `None` in `serve`, where each part has a place of its own.
    pub data_dir: Option<PathBuf>,
    /// What is legal, and seldom meant.
    pub warnings: Vec<Fault>,
}

/// The S3 listener's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate, and behind it those between it and its authority; PEM.
    pub certificate_file: PathBuf,
    /// Its private key; PEM.
    pub private_key_file: PathBuf,
}

/// The regions that a credential scope may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Region {
    /// Any: clients have different defaults.
    Any,
    /// This one only.
    Only(String),
}

/// The root user's credential.
pub enum RootCredential {
    /// From the configuration; it wins over what the database has.
    Given {
        /// The public half.
        access_key_id: String,
        /// The secret half; never printed.
        secret: SecretText,
    },
    /// Made on first start and kept, sealed, in the database.
    Generated,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The SQLite file of the state; created where it is missing.
    pub state_path: PathBuf,
    /// The SQLite file of the index, beside it: it can be lost.
    pub index_path: PathBuf,
}

/// An upstream.
#[derive(Debug)]
pub struct UpstreamConfig {
    /// Its name in `[upstream.NAME]`.
    pub name: String,
    /// What it is.
    pub kind: UpstreamKind,
    /// The bucket of our own there.
    pub internal_bucket: BucketName,
    /// What becomes of its buckets that we do not know.
    pub adopt: AdoptBuckets,
    /// What becomes of foreign objects in buckets that do not say.
    pub foreign: ForeignObjects,
}

/// Kinds of upstream.
pub enum UpstreamKind {
    /// A directory on this machine.
    Local {
        /// The directory.
        path: PathBuf,
    },
    /// An S3 service.
    S3(Box<S3Settings>),
}

/// What wraps bucket keys.
pub enum KeyringConfig {
    /// A file on this machine.
    Local {
        /// The file.
        path: PathBuf,
    },
    /// A key of Vault's Transit engine.
    Vault(Box<VaultSettings>),
}

/// For an operator: its file, or its name at Vault.
impl fmt::Display for KeyringConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { path } => path.display().fmt(f),
            Self::Vault(settings) => f.write_str(&settings.identity()),
        }
    }
}

impl fmt::Debug for KeyringConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyringConfig({self})")
    }
}

impl KeyringConfig {
    /// Its file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Local { path } => Some(path),
            Self::Vault(_) => None,
        }
    }
}

/// How it logs, to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What is logged, as `tracing` filters are written (`info`, `crypt_keeper=debug,warn`).
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What one process takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of the S3 listener; some more get 503 SlowDown, the rest waits in the accept queue.
    pub max_connections: usize,
    /// Requests being answered at a time; more get 503 SlowDown. `None`: what half of the memory holds.
    pub max_requests: Option<usize>,
    /// From a connection's start, or its last answer, to the end of the next request's head. It also bounds how long
    /// a connection may idle between requests.
    pub header_read_timeout: Duration,
    /// How long a client may take no byte of an answer that is under way, or send none of a body that is being read.
    pub idle_timeout: Duration,
    /// How long requests in flight may go on after SIGTERM.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Of idle ones each keeps a buffer of at most 256 KiB, mostly far less.
            max_connections: 4096,
            max_requests: None,
            header_read_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            // Kubernetes kills after 30 seconds; we end a little before.
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl Config {
    /// Reads a configuration file. Relative paths in it start at its own directory.
    ///
    /// # Errors
    /// Every fault, each with its place.
    pub fn load(file: &Path, env: Environment<'_>) -> Result<Self, Faults> {
        let text = fs::read_to_string(file)
            .map_err(|error| Faults::one(Some(file), format!("the configuration cannot be read: {error}")))?;
        let base = file.parent().unwrap_or(Path::new(""));
        resolve::resolve(&text, base, env).map_err(|faults| Faults::new(Some(file), faults))
    }
}

/// No secret shows: the root credential by its public half only.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .field("admin_listen", &self.admin_listen)
            .field("region", &self.region)
            .field("domains", &self.domains)
            .field("root", &self.root)
            .field("store", &self.store)
            .field("upstreams", &self.upstreams)
            .field("buckets", &self.buckets)
            .field("keyring", &self.keyring)
            .field("log", &self.log)
            .field("limits", &self.limits)
            .field("data_dir", &self.data_dir)
            .finish()
    }
}

/// An S3 service by its endpoint only.
impl fmt::Debug for UpstreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { path } => write!(f, "Local({})", path.display()),
            Self::S3(settings) => write!(f, "S3({}, ..)", settings.endpoint),
        }
    }
}

impl fmt::Debug for RootCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given { access_key_id, .. } => write!(f, "Given({access_key_id}, ..)"),
            Self::Generated => f.write_str("Generated"),
        }
    }
}

/// `path` itself where it is absolute, else below `base`.
fn under(base: &Path, path: &str) -> PathBuf {
    base.join(path)
}

/// Health and metrics by default: loopback, on the next port; any free one where the S3 port is.
fn default_admin_listen(listen: SocketAddr) -> Option<SocketAddr> {
    let ip = match listen.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let port = if listen.port() == 0 { 0 } else { listen.port().checked_add(1)? };
    Some(SocketAddr::new(ip, port))
}

/// An access key id that can stand in a credential scope, between slashes and commas.
fn access_key_id(text: &str) -> Result<String, String> {
    let sound = (3..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    sound.then(|| text.to_owned()).ok_or_else(|| "must be 3 to 128 letters, digits, '-', '_' or '.'".to_owned())
}

#[cfg(test)]
mod tests;
