//! The real binary as a process: started on free ports, stopped by signal, its output kept.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A debug build on a busy machine takes a second or two; anything near this is a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, without this machine's own settings.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crypt-keeper"));
    command
        .env_remove("CRYPT_KEEPER_ROOT_ACCESS_KEY")
        .env_remove("CRYPT_KEEPER_ROOT_SECRET_KEY")
        .env_remove("RUST_LOG");
    command
}

/// `dev` on a directory, on free ports.
pub(crate) fn dev(data: &Path) -> Command {
    let mut command = binary();
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command
}

/// Runs a command that must end by itself.
pub(crate) fn run(mut command: Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the binary starts");
    await_end(&mut child);
    child.wait_with_output().expect("the output is readable")
}

/// Runs a command that must refuse to start: exit code 1, and one line, which is returned.
pub(crate) fn refusal(command: Command) -> String {
    let output = run(command);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "exit code; stderr:\n{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line says it all:\n{stderr}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("ready"), "it was never ready");
    stderr
}

fn await_end(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().expect("a child can be killed");
            panic!("it did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that has said `ready`. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
    _log: tempfile::TempDir,
    /// All of standard output up to and including the ready line.
    pub(crate) said: String,
    /// Where S3 is.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a server and waits for its ready line.
    pub(crate) fn start(mut command: Command) -> Self {
        let log = tempfile::tempdir().expect("a temporary directory");
        let stderr = log.path().join("stderr");
        let file = fs::File::create(&stderr).expect("a log file");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn();
        let mut child = child.expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut said = String::new();
        let ready = loop {
            let mut line = String::new();
            // It ends without a line when the process does; a process that hangs is the test runner's to stop.
            if stdout.read_line(&mut line).expect("standard output is text") == 0 {
                let log = fs::read_to_string(&stderr).unwrap_or_default();
                panic!("it ended ({:?}) before it was ready:\n{said}{log}", child.wait());
            }
            said.push_str(&line);
            if line.starts_with("ready") {
                break line;
            }
        };
        let address = ready.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        let address = address.expect("the ready line names the address");
        Self { child, _stdout: stdout, stderr, _log: log, said, address }
    }

    /// The value of a line `name  value` of what it said.
    pub(crate) fn value(&self, name: &str) -> String {
        let line = self.said.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in:\n{}", self.said)).trim().to_owned()
    }

    /// Where health and metrics are (`dev` only).
    pub(crate) fn admin_address(&self) -> SocketAddr {
        let url = self.value("health");
        url.trim_start_matches("http://").trim_end_matches("/readyz").parse().expect("an address")
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.stderr).expect("the log is readable")
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is there");
    }

    /// Sends a signal and waits for the end: the exit code and the log.
    pub(crate) fn stop(mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let status = await_end(&mut self.child);
        (status.code(), self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A GET without any header but Host; the whole answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .expect("the request is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer comes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Every file below a directory with its mode and content, to show that nothing was changed. SQLite's side files are left
/// out: opening a database makes them, they come and go with connections and hold no change of ours then.
pub(crate) fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory is readable") {
        let path = entry.expect("an entry is readable").path();
        if path.extension().is_some_and(|end| end == "db-wal" || end == "db-shm") {
            continue;
        }
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        if path.is_dir() {
            found.extend(snapshot(&path));
            found.insert(path, (mode, Vec::new()));
        } else {
            let content = fs::read(&path).expect("a file is readable");
            found.insert(path, (mode, content));
        }
    }
    found
}
