//! The command line and what it says: credentials, configurations, health; and starts that must not succeed where
//! `startup` needs no server of its own to show it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, geteuid};

use crate::harness;
use crate::process::{Server, binary, dev, get, refusal, run, snapshot};

/// Long and unlike anything else: it is searched for on disk.
const SECRET: &str = "conformance-startup-secret/9d2f+71";

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A directory that a server has used and left in good order.
fn used() -> tempfile::TempDir {
    let data = temporary();
    let (code, log) = Server::start(dev(data.path())).stop(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    data
}

/// `dev` refuses this directory in one line that holds every one of `words`, and leaves it as it was.
fn assert_refused(data: &Path, words: &[&str]) {
    let before = snapshot(data);
    let line = refusal(dev(data));
    for word in words {
        assert!(line.contains(word), "{word:?} is not in: {line}");
    }
    let after = snapshot(data);
    let changed: Vec<_> =
        after.keys().chain(before.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).expect("the file is there");
    file.write_all_at(bytes, offset).expect("it can be written");
}

#[test]
fn credentials_are_made_once_and_shown_at_every_start() {
    let data = temporary();
    let server = Server::start(dev(data.path()));
    let credentials = (server.value("access key"), server.value("secret key"));
    assert!(server.said.ends_with(&format!("ready http://{}\n", server.address)), "{}", server.said);
    assert!(server.said.contains("export AWS_ACCESS_KEY_ID=") && server.said.contains("RCLONE_CONFIG_CK_TYPE=s3"));
    for name in ["state.db", "index.db", "keyring", "objects"] {
        assert!(data.path().join(name).exists(), "{name}");
    }
    assert_eq!(server.stop(Signal::TERM).0, Some(0));
    let server = Server::start(dev(data.path()));
    assert_eq!((server.value("access key"), server.value("secret key")), credentials);
    assert_eq!(server.stop(Signal::INT).0, Some(0));
    // Killed, it finds everything too.
    let server = Server::start(dev(data.path()));
    server.stop(Signal::KILL);
    let server = Server::start(dev(data.path()));
    assert_eq!((server.value("access key"), server.value("secret key")), credentials);
}

#[test]
fn given_secret_is_neither_printed_nor_stored_in_clear() {
    let data = temporary();
    let mut command = dev(data.path());
    command.env("CRYPT_KEEPER_ROOT_ACCESS_KEY", "AKIASTARTUP").env("CRYPT_KEEPER_ROOT_SECRET_KEY", SECRET);
    command.env("RUST_LOG", "trace");
    let server = Server::start(command);
    assert_eq!(server.value("access key"), "AKIASTARTUP");
    assert!(!server.said.contains(SECRET), "{}", server.said);
    let (code, log) = server.stop(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(!log.contains(SECRET), "the log shows the secret");
    let holds = |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|window| window == what.as_bytes());
    let files = snapshot(data.path());
    // The search is not blind: the access key id is found.
    assert!(files.values().any(|(_, content)| holds(content, "AKIASTARTUP")));
    for (path, (_, content)) in &files {
        assert!(!holds(content, SECRET), "{} holds the secret", path.display());
    }
    // A later start without the variables makes a credential of its own; it does not show the one that was given.
    let server = Server::start(dev(data.path()));
    assert_ne!(server.value("access key"), "AKIASTARTUP");
    assert!(!server.said.contains(SECRET));
}

#[test]
fn files_are_for_their_owner_only() {
    let data = used();
    for (path, (mode, _)) in snapshot(data.path()) {
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn port_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let parent = temporary();
    let data = parent.path().join("data");
    for (flag, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        let mut command = binary();
        command.args(["dev", flag, &address, other, "127.0.0.1:0", "--data"]).arg(&data);
        let line = refusal(command);
        assert!(line.contains(&address) && line.contains("is taken by another process"), "{line}");
    }
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn address_of_another_machine() {
    let data = temporary();
    let mut command = binary();
    command.args(["dev", "--listen", "192.0.2.1:9000", "--data"]).arg(data.path());
    assert!(refusal(command).contains("cannot listen on 192.0.2.1:9000"));
    assert!(snapshot(data.path()).is_empty());
}

#[test]
fn objects_directory_of_somebody_else() {
    let data = temporary();
    fs::create_dir(data.path().join("objects")).expect("a directory");
    fs::write(data.path().join("objects/photo.jpg"), "a face").expect("a file");
    assert_refused(data.path(), &["objects", "is not empty"]);
}

#[test]
fn file_in_the_place_of_the_directory() {
    let parent = temporary();
    fs::write(parent.path().join("data"), "a file").expect("a file");
    let line = refusal(dev(&parent.path().join("data")));
    assert!(line.contains("cannot be used"), "{line}");
}

#[test]
fn unwritable_directory() {
    /// Nobody, on every Linux.
    const NOBODY: u32 = 65_534;
    let data = temporary();
    // For root no mode is in the way: the binary runs as somebody else, from where that one can reach it.
    let copy = temporary();
    let program = copy.path().join("crypt-keeper");
    fs::copy(env!("CARGO_BIN_EXE_crypt-keeper"), &program).expect("a copy of the binary");
    fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).expect("permissions");
    fs::set_permissions(data.path(), Permissions::from_mode(0o555)).expect("permissions");
    let mut command = std::process::Command::new(program);
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    if geteuid().is_root() {
        command.uid(NOBODY);
    }
    let line = refusal(command);
    assert!(line.contains("must be able to read and write"), "{line}");
    assert!(snapshot(data.path()).is_empty());
}

#[test]
fn database_of_a_newer_version() {
    let data = used();
    // SQLite's user_version, big-endian at offset 60.
    overwrite(&data.path().join("state.db"), 60, &99_u32.to_be_bytes());
    assert_refused(data.path(), &["state.db", "99"]);
}

#[test]
fn database_of_another_program() {
    let data = used();
    // SQLite's application_id, big-endian at offset 68.
    overwrite(&data.path().join("state.db"), 68, b"gpkg");
    assert_refused(data.path(), &["state.db", "another program"]);
}

#[test]
fn database_that_is_none() {
    let data = used();
    fs::write(data.path().join("state.db"), "no database, and longer than a header of one would have to be")
        .expect("a file");
    assert_refused(data.path(), &["state.db", "restore"]);
}

#[test]
fn damaged_database() {
    let data = used();
    let path = data.path().join("state.db");
    let len = fs::metadata(&path).expect("the database").len();
    for page in 1..len / 4096 {
        overwrite(&path, page * 4096, &[0xa5; 4096]);
    }
    assert_refused(data.path(), &["state.db", "damaged", "restore"]);
}

#[test]
fn objects_of_a_newer_version() {
    let data = used();
    let marker = data.path().join("objects/CRYPT-KEEPER-UPSTREAM");
    fs::write(marker, "Crypt-Keeper local upstream, layout 99\n").expect("the marker");
    assert_refused(data.path(), &["objects", "newer version"]);
}

#[test]
fn damaged_keyring() {
    let data = used();
    fs::write(data.path().join("keyring"), "rubbish").expect("the keyring");
    assert_refused(data.path(), &["keyring"]);
}

#[test]
fn missing_database() {
    let data = used();
    fs::remove_file(data.path().join("state.db")).expect("the database");
    assert_refused(data.path(), &["state.db", "is missing", "backup"]);
}

#[test]
fn serve_makes_what_is_missing() {
    let dir = temporary();
    let config = dir.path().join("ck.toml");
    let text = "listen = \"127.0.0.1:0\"\n[root]\naccess_key_id = \"AKIASERVE\"\n\
        secret_access_key = { env = \"CK_TEST_SECRET\" }\n[store]\nurl = \"sqlite:var/state.db\"\n\
        [upstream.default]\nkind = \"local\"\npath = \"objects\"\n[keyring]\nkind = \"local\"\npath = \"keys/keyring\"\n";
    fs::write(&config, text).expect("the configuration");
    let serve = || {
        let mut command = binary();
        command.args(["serve", "--config"]).arg(&config).env("CK_TEST_SECRET", SECRET);
        command
    };
    let server = Server::start(serve());
    assert_eq!(server.said, format!("ready http://{}\n", server.address), "nothing but the ready line");
    assert_eq!(server.stop(Signal::TERM).0, Some(0));
    for made in ["var/state.db", "var/index.db", "keys/keyring", "objects"] {
        assert!(dir.path().join(made).exists(), "{made}");
    }
    assert_eq!(Server::start(serve()).stop(Signal::TERM).0, Some(0));
}

#[test]
fn check_config_reports_every_fault_and_touches_nothing() {
    let dir = temporary();
    let config = dir.path().join("ck.toml");
    fs::write(&config, "listen = \"x\"\ncolour = 1\n[store]\nurl = \"sqlite:state.db\"\n").expect("the configuration");
    let check = |config: &Path| {
        let mut command = binary();
        command.arg("check-config").arg(config).env("CK_ROOT_SECRET", SECRET);
        run(command)
    };
    let output = check(&config);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    for fault in
        ["ck.toml:1: listen:", "ck.toml:2: colour:", "root: is missing", "upstream: is missing", "keyring: is missing"]
    {
        assert!(stderr.contains(fault), "{fault} is not in:\n{stderr}");
    }
    assert_eq!(stderr.lines().count(), 5, "{stderr}");
    assert_eq!(snapshot(dir.path()).len(), 1, "nothing but the configuration");
    // `serve` says the same, and no more.
    let mut serve = binary();
    serve.args(["serve", "--config"]).arg(&config);
    let served = run(serve);
    assert_eq!((served.status.code(), served.stderr), (Some(1), output.stderr));

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/crypt-keeper.toml");
    let output = check(&example);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("sound"));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let mut command = binary();
    command.arg("sing");
    assert_eq!(run(command).status.code(), Some(2));
}

#[test]
fn health_readiness_and_metrics_are_not_on_the_s3_listener() {
    let data = temporary();
    let server = Server::start(dev(data.path()));
    let admin = server.admin_address();
    assert!(get(admin, "/healthz").ends_with("ok\n"));
    let ready = get(admin, "/readyz");
    assert!(
        ready.contains("200 OK") && ready.contains("store: ok") && ready.contains("upstream.default: ok"),
        "{ready}"
    );
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let answer = get(server.address, path);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>AccessDenied</Code>"), "{path}: {answer}");
    }
    let metrics = get(admin, "/metrics");
    assert!(metrics.contains("crypt_keeper_requests_total{") && metrics.contains("status=\"403\""), "{metrics}");
}

#[test]
fn objects_that_are_not_mounted() {
    let mut server = harness::Server::with_bucket("mounted");
    assert!(server.terminate().success());
    fs::rename(server.data().join("objects"), server.data().join("objects.elsewhere")).expect("renames");
    assert_refused(&server.data(), &["objects is empty", "mount"]);
}

/// A core dump would hold every key in memory.
#[test]
fn no_core_dumps() {
    let data = temporary();
    let server = Server::start(dev(data.path()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

#[test]
fn logs_in_json() {
    let dir = temporary();
    let config = dir.path().join("ck.toml");
    let text = "listen = \"127.0.0.1:0\"\n[root]\naccess_key_id = \"AKIAJSON\"\nsecret_access_key = { file = \"secret\" }\n\
         [store]\nurl = \"sqlite:state.db\"\n[upstream.default]\nkind = \"local\"\npath = \"objects\"\n\
         [keyring]\nkind = \"local\"\npath = \"keyring\"\n[log]\nformat = \"json\"\nlevel = \"info\"\n";
    fs::write(&config, text).expect("the configuration");
    fs::write(dir.path().join("secret"), SECRET).expect("the secret");
    let mut serve = binary();
    serve.args(["serve", "--config"]).arg(&config);
    let server = Server::start(serve);
    get(server.address, "/");
    let (code, log) = server.stop(Signal::TERM);
    assert_eq!(code, Some(0));
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    assert!(lines.iter().any(|line| line["target"] == "access" && line["status"] == 403), "{log}");
}

/// The second signal means it: nobody waits for the drain any more.
#[test]
fn second_signal_cuts_the_drain_short() {
    let data = temporary();
    let server = Server::start(dev(data.path()));
    let mut busy = TcpStream::connect(server.address).expect("somebody listens");
    // A request whose head never ends keeps its connection busy.
    busy.write_all(b"GET / HTTP/1.1\r\nhost:").expect("it is taken");
    std::thread::sleep(Duration::from_millis(300));
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let (code, log) = server.stop(Signal::TERM);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("the drain was cut short"), "{log}");
}
