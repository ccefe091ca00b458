//! Starting, stopping, and what stands in the way: one clear line, exit code 1, and nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::server::{Refusal, refused_start};
use crate::harness::{Request, Server, bytes};

/// A server that has stored something and was stopped.
fn stopped() -> Server {
    let mut server = Server::with_bucket("start");
    server.put("/start/k", b"kept");
    assert!(server.terminate().success(), "SIGTERM ends well: {}", server.log());
    server
}

/// Every file below `dir` and its content, but for SQLite's own side files and the marks of a lock.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if !name.ends_with("-wal") && !name.ends_with("-shm") && name != "lock" {
            found.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    found
}

#[track_caller]
fn assert_refused(server: &Server, naming: &str) {
    let before = contents(&server.data());
    let Refusal { code, stderr } = refused_start(&server.data(), "127.0.0.1:0");
    assert_eq!(code, Some(1), "{stderr}");
    let told: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(told.len(), 1, "one clear line, not {stderr}");
    assert!(told[0].contains(naming), "the line names {naming}: {stderr}");
    assert!(contents(&server.data()) == before, "something was changed");
}

#[test]
fn restart_finds_everything() {
    let mut server = stopped();
    server.restart();
    server.assert_holds("/start/k", b"kept");
    server.kill_and_restart();
    server.assert_holds("/start/k", b"kept");
}

/// What was begun before SIGTERM is finished.
#[test]
fn drain_lets_a_request_finish() {
    use std::io::{Read, Write};
    let mut server = Server::with_bucket("start");
    let body = bytes(1, 200_000);
    let wire = Request::put("/start/k", body.clone()).prepare(server.root(), server.address()).to_bytes();
    let (first, rest) = wire.split_at(wire.len() - 100_000);
    let mut stream = std::net::TcpStream::connect(server.address()).expect("connects");
    stream.write_all(first).expect("sends");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let ended = std::thread::scope(|scope| {
        let ending = scope.spawn(|| server.terminate());
        std::thread::sleep(std::time::Duration::from_millis(300));
        stream.write_all(rest).expect("sends the rest");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        ending.join().expect("ends")
    });
    assert!(ended.success());
    server.restart();
    server.assert_holds("/start/k", &body);
}

#[test]
fn address_that_is_taken() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a directory");
    let Refusal { code, stderr } = refused_start(&folder.path().join("data"), server.address());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(server.address()), "{stderr}");
}

#[test]
fn directory_that_another_process_uses() {
    let server = Server::with_bucket("start");
    let Refusal { code, stderr } = refused_start(&server.data(), "127.0.0.1:0");
    assert_eq!(code, Some(1), "{stderr}");
    server.put("/start/k", b"still serving");
}

#[test]
fn keyring_that_is_missing() {
    let server = stopped();
    fs::rename(server.data().join("keyring"), server.data().join("aside")).expect("renames");
    assert_refused(&server, "keyring");
}

#[test]
fn keyring_of_another_deployment() {
    let (server, other) = (stopped(), stopped());
    fs::copy(other.data().join("keyring"), server.data().join("keyring")).expect("copies");
    assert_refused(&server, "keyring");
}

#[test]
fn keyring_that_others_can_read() {
    let server = stopped();
    fs::set_permissions(server.data().join("keyring"), fs::Permissions::from_mode(0o644)).expect("permissions");
    assert_refused(&server, "keyring");
}

#[test]
fn state_that_is_corrupt() {
    let server = stopped();
    let state = server.data().join("state.db");
    let mut data = fs::read(&state).expect("the state");
    data[..64].fill(0x55);
    fs::write(&state, data).expect("writes");
    assert_refused(&server, "state.db");
}

/// The index can be made again from the objects, so it is.
#[test]
fn index_that_is_corrupt_or_lost() {
    for damage in ["corrupt", "lost"] {
        let mut server = stopped();
        let index = server.data().join("index.db");
        match damage {
            "corrupt" => fs::write(&index, bytes(1, 20_000)).expect("writes"),
            _ => fs::remove_file(&index).expect("removes"),
        }
        server.restart();
        server.assert_holds("/start/k", b"kept");
        let listed = server.send(&Request::get("/start").query("list-type", "2"));
        assert_eq!(listed.xml("Size").as_deref(), Some("4"), "{damage}: {}", listed.text());
        server.kill_and_restart();
        server.assert_holds("/start/k", b"kept");
    }
}

#[test]
fn directory_that_is_not_ours() {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("letter.txt"), "private").expect("writes");
    let before = contents(folder.path());
    let Refusal { code, stderr } = refused_start(folder.path(), "127.0.0.1:0");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(contents(folder.path()) == before, "something was changed");
}

#[test]
fn root_key_without_its_secret() {
    let folder = tempfile::tempdir().expect("a directory");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_crypt-keeper"))
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .env("CRYPT_KEEPER_ROOT_ACCESS_KEY", "AKONLY00000000000000")
        .env_remove("CRYPT_KEEPER_ROOT_SECRET_KEY")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CRYPT_KEEPER_ROOT_SECRET_KEY"));
    assert!(!folder.path().join("data").exists(), "nothing is touched before the configuration is sound");
}
