//! MinIO as the backend: a real service, on a directory of its own.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::process::Process;
use crate::tls::Certificate;
use crate::{ACCESS_KEY, SECRET_KEY};

/// How often its port is tried, every [`PAUSE`].
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Starts the binary that `CK_MINIO` names, else the one that the conformance suite installs.
pub(crate) fn start(dir: &Path, certificate: Option<&Certificate>) -> Process {
    // MinIO finds a pair by its names.
    let certificates = dir.join("certificates");
    fs::create_dir(&certificates).expect("a directory");
    if let Some(certificate) = certificate {
        fs::copy(certificate.file(), certificates.join("public.crt")).expect("a file");
        fs::copy(certificate.key_file(), certificates.join("private.key")).expect("a file");
    }
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/.conformance/bin/minio");
    let binary = env::var_os("CK_MINIO").map_or_else(|| PathBuf::from(installed), PathBuf::from);
    // A port that was free a moment ago; MinIO takes no socket from us.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let mut command = Command::new(binary);
    command.args(["server", "--quiet", "--address"]).arg(address.to_string());
    command.arg("--certs-dir").arg(certificates).arg(dir.join("data"));
    command.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", SECRET_KEY);
    let process = Process::start_at(&mut command, address);
    wait_for(address);
    process
}

fn wait_for(address: SocketAddr) {
    for _ in 0..TRIES {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("MinIO did not start on {address}");
}
