//! Crypt-Keeper as it ships: the release binary with a configuration file, in a directory of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::tls::Certificate;
use crate::{ACCESS_KEY, OPAQUE_BUCKET, SECRET_KEY};

/// Any free port, for health and metrics too.
const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";

/// Where a configured proxy keeps what it knows.
pub(crate) struct Site {
    dir: TempDir,
}

/// What stands behind the proxy.
pub(crate) enum Upstream {
    /// An S3 service.
    S3(SocketAddr),
    /// A directory of this machine.
    Local,
}

impl Site {
    /// A new one. With a certificate, both legs are TLS. The upstream leg has UNSIGNED-PAYLOAD, as the pass-through's has.
    pub(crate) fn new(upstream: &Upstream, certificate: Option<&Certificate>) -> Self {
        let site = Self { dir: tempfile::tempdir().expect("a directory") };
        let (mut config, mut scheme, mut trusted) = (LISTEN.to_owned(), "http", String::new());
        if let Some(certificate) = certificate {
            let (file, key) = (certificate.file(), certificate.key_file());
            let (file, key) = (file.display(), key.display());
            config.push_str(&format!("\n[tls]\ncertificate_file = \"{file}\"\nprivate_key_file = \"{key}\"\n"));
            scheme = "https";
            trusted = format!("ca_file = \"{file}\"\n");
        }
        config.push_str(&format!(
            r#"
[root]
access_key_id = "{ACCESS_KEY}"
secret_access_key = {{ env = "CK_BENCH_SECRET" }}

[store]
url = "sqlite:state.db"

[keyring]
kind = "local"
path = "keyring"

[upstream.default]
"#
        ));
        config.push_str(&match upstream {
            Upstream::Local => "kind = \"local\"\npath = \"objects\"\n".to_owned(),
            Upstream::S3(address) => format!(
                r#"kind = "s3"
endpoint = "{scheme}://{address}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = {{ env = "CK_BENCH_SECRET" }}
payload = "unsigned"
{trusted}
[bucket.{OPAQUE_BUCKET}]
etag = "opaque"
"#
            ),
        });
        fs::write(site.path("crypt-keeper.toml"), config).expect("a file");
        site
    }

    /// A file of it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the proxy; what it logs, a line for each request by default, goes into a file.
    pub(crate) fn start(&self) -> Process {
        let log = File::create(self.path("log")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_crypt-keeper"));
        command.arg("serve").arg("--config").arg(self.path("crypt-keeper.toml"));
        Process::start(command.env("CK_BENCH_SECRET", SECRET_KEY).env_remove("RUST_LOG").stderr(log))
    }

    /// Forgets every object's size and ETag, as if the index had been lost. The proxy is down.
    pub(crate) fn lose_index(&self) {
        for name in ["index.db", "index.db-wal", "index.db-shm"] {
            let _ = fs::remove_file(self.path(name));
        }
    }
}
