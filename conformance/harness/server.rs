//! The binary under test as a process of its own, ended by its handle.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::reply::{Reply, exchange};
use super::request::{Prepared, Request};
use super::sign::Credentials;

const ACCESS_KEY: &str = "AKCONFORMANCEROOT001";
const SECRET_KEY: &str = "conformance-Root+Secret/4fQ9zWk1uT7yLr2m";
/// In a server's folder, where it serves by a configuration.
const CONFIG: &str = "crypt-keeper.toml";
/// A debug build on busy cores needs a second or two to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// `crypt-keeper dev` on a directory and a port of its own.
pub(crate) struct Server {
    child: Child,
    address: String,
    folder: TempDir,
    root: Credentials,
    environment: Vec<(&'static str, String)>,
}

impl Server {
    /// Starts `dev` on an empty directory.
    pub(crate) fn start() -> Self {
        Self::start_as(Credentials::new(ACCESS_KEY, SECRET_KEY))
    }

    /// Starts `dev` on an empty directory, with a root of its own.
    pub(crate) fn start_as(root: Credentials) -> Self {
        Self::launched(tempfile::tempdir().expect("a temporary directory"), root, Vec::new())
    }

    /// Starts `serve` on an empty directory, with the smallest configuration and `more` at the head of it.
    pub(crate) fn serve(more: &str) -> Self {
        Self::configured(more, "kind = \"local\"\npath = \"data/objects\"", Vec::new())
    }

    /// Starts `serve` in front of the S3 service at `service` (`host:port`), where it is `upstream`.
    pub(crate) fn before(service: &str, upstream: &Credentials, more: &str, more_upstream: &str) -> Self {
        let kind = format!(
            "kind = \"s3\"\nendpoint = \"http://{service}\"\nregion = \"us-east-1\"\naddressing = \"path\"\n\
             access_key_id = \"{}\"\nsecret_access_key = {{ env = \"CK_TEST_UPSTREAM_SECRET\" }}\n{more_upstream}",
            upstream.access_key
        );
        Self::configured(more, &kind, vec![("CK_TEST_UPSTREAM_SECRET", upstream.secret_key.clone())])
    }

    fn configured(more: &str, upstream: &str, environment: Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let text = format!(
            "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{more}\n\
             [root]\naccess_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = {{ env = \"CRYPT_KEEPER_ROOT_SECRET_KEY\" }}\n\
             [store]\nurl = \"sqlite:data/state.db\"\n\
             [upstream.default]\n{upstream}\n\
             [keyring]\nkind = \"local\"\npath = \"data/keyring\"\n"
        );
        fs::create_dir(folder.path().join("data")).expect("a directory");
        fs::write(folder.path().join(CONFIG), text).expect("a configuration");
        Self::launched(folder, Credentials::new(ACCESS_KEY, SECRET_KEY), environment)
    }

    fn launched(folder: TempDir, root: Credentials, environment: Vec<(&'static str, String)>) -> Self {
        let (child, address) = launch(folder.path(), &root, &environment);
        Self { child, address, folder, root, environment }
    }

    /// Starts, and makes a bucket.
    pub(crate) fn with_bucket(name: &str) -> Self {
        let server = Self::start();
        server.send(&Request::put(&format!("/{name}"), "")).assert_status(200);
        server
    }

    /// Everything that it keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it said on stderr since the first start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("the log is readable")
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Who may do everything.
    pub(crate) fn root(&self) -> &Credentials {
        &self.root
    }

    /// SIGKILL, as a crash, and nothing after it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("it ends");
    }

    /// Starts again on the same directory, at another port.
    pub(crate) fn restart(&mut self) {
        (self.child, self.address) = launch(self.folder.path(), &self.root, &self.environment);
    }

    /// A crash and the start after it.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process is ours");
        self.child.wait().expect("it ends")
    }

    /// Runs another command on its configuration, to its end: the code, and what it said on stdout and stderr.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command_line = binary();
        command_line.arg(command).arg("--config").arg(self.folder.path().join(CONFIG)).args(arguments);
        let output = command_line.stderr(Stdio::piped()).output().expect("the binary starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Signs as root and sends.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Reply {
        self.send_as(&self.root, request)
    }

    /// Signs as somebody and sends.
    #[track_caller]
    pub(crate) fn send_as(&self, who: &Credentials, request: &Request) -> Reply {
        self.send_prepared(&request.prepare(who, &self.address))
    }

    /// Sends what may have been altered since it was signed.
    #[track_caller]
    pub(crate) fn send_prepared(&self, prepared: &Prepared) -> Reply {
        exchange(&self.address, &prepared.to_bytes(), false).expect("an answer")
    }

    /// PUT, which must succeed.
    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &[u8]) -> Reply {
        let reply = self.send(&Request::put(path, body));
        reply.assert_status(200);
        reply
    }

    /// GET, which must succeed with exactly `body`.
    #[track_caller]
    pub(crate) fn assert_holds(&self, path: &str, body: &[u8]) {
        let reply = self.send(&Request::get(path));
        reply.assert_status(200);
        assert!(reply.body == body, "{path} holds {} other bytes", reply.body.len());
    }

    /// There is no such object.
    #[track_caller]
    pub(crate) fn assert_absent(&self, path: &str) {
        self.send(&Request::head(path)).assert_status(404);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How a start that must not succeed ended.
pub(crate) struct Refusal {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// Starts where starting is wrong; a process that becomes ready all the same fails the test.
#[track_caller]
pub(crate) fn refused_start(data: &Path, listen: &str) -> Refusal {
    let mut child = dev(data, listen).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let mut said = String::new();
    while stdout.read_line(&mut said).is_ok_and(|length| length > 0) {
        if said.lines().any(|line| line.starts_with("ready")) {
            child.kill().ok();
            child.wait().ok();
            panic!("it started: {said}");
        }
    }
    let output = child.wait_with_output().expect("it ends");
    Refusal { code: output.status.code(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

fn dev(data: &Path, listen: &str) -> Command {
    let mut command = binary();
    command.args(["dev", "--listen", listen, "--data"]).arg(data);
    command
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crypt-keeper"));
    command
        .env("CRYPT_KEEPER_ROOT_ACCESS_KEY", ACCESS_KEY)
        .env("CRYPT_KEEPER_ROOT_SECRET_KEY", SECRET_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn launch(folder: &Path, root: &Credentials, environment: &[(&'static str, String)]) -> (Child, String) {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    let mut command = dev(&folder.join("data"), "127.0.0.1:0");
    if folder.join(CONFIG).exists() {
        command = binary();
        command.arg("serve").arg("--config").arg(folder.join(CONFIG));
    }
    command.env("CRYPT_KEEPER_ROOT_ACCESS_KEY", &root.access_key).env("CRYPT_KEEPER_ROOT_SECRET_KEY", &root.secret_key);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.stderr(log).spawn().expect("the binary starts");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let (found, ready) = mpsc::channel();
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok).filter(|line| line.starts_with("ready")) {
            found.send(line).ok();
        }
    });
    let address = ready.recv_timeout(PATIENCE).ok().as_deref().and_then(address_in).map(str::to_owned);
    let Some(address) = address else {
        child.kill().ok();
        child.wait().ok();
        panic!("no line `ready ADDRESS`: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
    };
    (child, address)
}

fn address_in(ready: &str) -> Option<&str> {
    let at = ready.find("127.0.0.1:")?;
    ready[at..].split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').next()
}
