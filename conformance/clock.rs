//! A clock that jumps, a day forward and an hour back. The one test that runs the server in this process: only here can
//! its clock be turned.

use std::time::{Duration, UNIX_EPOCH};

use crypt_keeper::app::{self, Running};
use crypt_keeper::base::{Clock, Timestamp};
use crypt_keeper::config::Config;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::reply::exchange;
use crate::harness::{Auth, Credentials, Reply, Request, bytes};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

struct Turned {
    runtime: Runtime,
    running: Option<Running>,
    clock: Clock,
    root: Credentials,
    address: String,
    _folder: TempDir,
}

impl Turned {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let runtime = Runtime::new().expect("threads");
        let clock = Clock::manual(Timestamp::from_unix_seconds(0));
        let listen = "127.0.0.1:0".parse().expect("an address");
        let config = Config::dev(folder.path(), listen, None, &|_| None).expect("a configuration");
        set(&clock, 0);
        let running = runtime.block_on(app::start_at(config, clock.clone())).expect("it starts");
        let shown = running.root();
        let secret = shown.secret.as_ref().expect("it was made");
        let root = Credentials::new(&shown.access_key_id, secret.expose());
        let address = running.s3_address().to_string();
        Self { runtime, running: Some(running), clock, root, address, _folder: folder }
    }

    /// Turns the server's clock to so many seconds from now; who signs with the result goes by it.
    fn turn(&self, seconds: i64) -> Credentials {
        set(&self.clock, seconds);
        Credentials { clock_error: seconds, ..self.root.clone() }
    }

    fn send(&self, who: &Credentials, request: &Request) -> Reply {
        let wire = request.prepare(who, &self.address).to_bytes();
        exchange(&self.address, &wire, false).expect("an answer")
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.drain());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of the world, from which the other one is turned away")]
fn set(clock: &Clock, seconds: i64) {
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    clock.set(Timestamp::from_unix_seconds(i64::try_from(now).expect("this century") + seconds));
}

/// Requests signed at the server's time pass before and after every jump; others are told what is wrong.
#[test]
fn signatures_go_by_the_time_that_it_is() {
    let server = Turned::start();
    let mut before = server.turn(0);
    server.send(&before, &Request::put("/turned", "")).assert_status(200);
    server.send(&before, &Request::put("/turned/k", "data")).assert_status(200);
    for seconds in [DAY, DAY - HOUR, 0] {
        let now = server.turn(seconds);
        let got = server.send(&now, &Request::get("/turned/k"));
        assert_eq!(got.assert_status(200).body, b"data");
        server.send(&now, &Request::put(&format!("/turned/{seconds}"), "more")).assert_status(200);
        server.send(&before, &Request::get("/turned/k")).assert_error(403, "RequestTimeTooSkewed");
        before = now;
    }
}

#[test]
fn presigned_urls_run_out_by_the_time_that_it_is() {
    let server = Turned::start();
    let root = server.turn(0);
    server.send(&root, &Request::put("/turned", "")).assert_status(200);
    server.send(&root, &Request::put("/turned/k", "data")).assert_status(200);
    let presigned = Request::get("/turned/k").auth(Auth::Presigned { expires_seconds: 600 });
    let url = presigned.prepare(&root, &server.address).to_bytes();
    let send = || exchange(&server.address, &url, false).expect("an answer");
    send().assert_status(200);
    server.turn(DAY);
    send().assert_error(403, "AccessDenied");
    // An hour before it was made: not valid yet.
    server.turn(-HOUR);
    send().assert_error(403, "AccessDenied");
    server.turn(60);
    send().assert_status(200);
}

#[test]
fn uploads_in_flight_survive() {
    let server = Turned::start();
    let root = server.turn(0);
    server.send(&root, &Request::put("/turned", "")).assert_status(200);
    let begun = server.send(&root, &Request::post("/turned/k", "").query("uploads", ""));
    let id = begun.assert_status(200).xml("UploadId").expect("an id");
    let parts = [bytes(1, 5 << 20), bytes(2, 1000)];
    let mut document = String::new();
    for (part, seconds) in parts.iter().zip([DAY, DAY - HOUR]) {
        let number = if seconds == DAY { "1" } else { "2" };
        let put = Request::put("/turned/k", part.as_slice()).query("partNumber", number).query("uploadId", &id);
        let reply = server.send(&server.turn(seconds), &put);
        let etag = reply.assert_status(200).header("etag").expect("an ETag");
        document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    let document = format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>");
    let complete = Request::post("/turned/k", document).query("uploadId", &id);
    server.send(&server.turn(0), &complete).assert_status(200);
    // The answer was lost, and the clock has gone on.
    let now = server.turn(HOUR);
    server.send(&now, &complete).assert_status(200);
    let got = server.send(&now, &Request::get("/turned/k"));
    assert!(got.assert_status(200).body == parts.concat());
}

/// Last-Modified and the conditions on it stay of one mind, also for what was written at a later time than it is now.
#[test]
fn dates_never_hide_what_was_written() {
    let server = Turned::start();
    let root = server.turn(0);
    server.send(&root, &Request::put("/turned", "")).assert_status(200);
    let tomorrow = server.turn(DAY);
    server.send(&tomorrow, &Request::put("/turned/k", "first")).assert_status(200);
    for seconds in [DAY, DAY - HOUR, 0] {
        let now = server.turn(seconds);
        let head = server.send(&now, &Request::head("/turned/k"));
        let modified = head.assert_status(200).header("last-modified").expect("a date").to_owned();
        let conditional = |name: &str| server.send(&now, &Request::get("/turned/k").header(name, &modified));
        conditional("if-unmodified-since").assert_status(200);
        // 304, or all of it where the date is not believed because it is still to come: never another object.
        let since = conditional("if-modified-since");
        assert!(since.status == 304 || (since.status == 200 && since.body == b"first"), "{}", since.text());
    }
    // Written over at an earlier time than the object has: the new one counts, at once and everywhere.
    let now = server.turn(0);
    let written = server.send(&now, &Request::put("/turned/k", "second"));
    let etag = written.assert_status(200).header("etag").expect("an ETag").to_owned();
    for seconds in [0, HOUR, DAY] {
        let now = server.turn(seconds);
        let got = server.send(&now, &Request::get("/turned/k").header("if-match", &etag));
        assert_eq!(got.assert_status(200).body, b"second");
        let listed = server.send(&now, &Request::get("/turned").query("list-type", "2"));
        assert_eq!(listed.assert_status(200).xml("ETag"), Some(etag.clone()));
        assert_eq!(listed.xml("Size").as_deref(), Some("6"));
    }
}
