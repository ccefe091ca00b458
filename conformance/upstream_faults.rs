//! An S3 service that fails or lies, with a relay between it and the proxy. Whatever happens there: the client gets S3's
//! error or a body that breaks off, never a wrong answer with a clean end; what was acknowledged is still there, what was
//! not is whole or absent; and nobody learns what is behind the proxy.

use std::time::{Duration, Instant};

use crate::harness::{Credentials, Fault, Relay, Reply, Request, Server, bytes, etag};
use crate::multipart::{MIN_PART, Upload, multipart_etag};

const UPSTREAM_KEY: &str = "AKBEHINDTHEPROXY0001";
const UPSTREAM_SECRET: &str = "upstream-Secret+0003/8sDf6gHj2kLq";
/// Not the default: the service behind is of our own kind, and keeps that name for itself.
const INTERNAL: &str = "internal-of-the-proxy";
/// Short, so that silence is soon noticed.
const IDLE_SECONDS: u64 = 2;
/// The most attempts that one request of a client may make at one thing upstream: a storm is not to be fed.
const MOST_ATTEMPTS: usize = 6;
const OBJECT_BYTES: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// What a lie does to an answer.
type Edit = fn(Vec<u8>) -> Vec<u8>;

/// The proxy, the service behind it (another of its kind, which is an S3 service too), and the relay in between.
struct Rig {
    service: Server,
    relay: Relay,
    proxy: Server,
}

impl Rig {
    /// With a bucket `faults`, once the service has been probed.
    fn new() -> Self {
        let service = Server::start_as(Credentials::new(UPSTREAM_KEY, UPSTREAM_SECRET));
        let relay = Relay::before(service.address());
        let timeouts = format!(
            "internal_bucket = \"{INTERNAL}\"\nconnect_timeout_seconds = 1\nidle_timeout_seconds = {IDLE_SECONDS}\n"
        );
        let proxy = Server::before(&relay.address(), service.root(), "", &timeouts);
        let rig = Self { service, relay, proxy };
        rig.until("the bucket is made", || rig.proxy.send(&Request::put("/faults", "")).status == 200);
        rig.until("the service is probed", || rig.proxy.send(&Request::put("/faults/first", "x")).status == 200);
        rig.proxy.send(&Request::delete("/faults/first")).assert_status(204);
        rig.relay.heal();
        rig
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "{what}; log:\n{}", self.proxy.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The answer to a client, which tells nothing of what is behind.
    #[track_caller]
    fn send(&self, request: &Request) -> Reply {
        let reply = self.proxy.send(request);
        let headers = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
        let said = headers + &reply.text();
        for secret in
            [&self.relay.address(), self.service.address(), UPSTREAM_KEY, UPSTREAM_SECRET, INTERNAL, "upstream-host"]
        {
            assert!(!said.contains(secret), "{secret} in the answer: {said}");
        }
        reply
    }

    /// 503 as S3 tells it: a client tries again later.
    #[track_caller]
    fn assert_unavailable(&self, request: &Request) {
        self.send(request).assert_error(503, "ServiceUnavailable");
    }

    /// What the service itself stores under a key of the bucket.
    fn stored(&self, key: &str) -> Reply {
        self.service.send(&Request::get(&format!("/faults/{key}")))
    }

    fn store(&self, key: &str, bytes: &[u8]) {
        self.service.put(&format!("/faults/{key}"), bytes);
    }

    /// Everything of clients' that the service stores: keys, and uploads in flight.
    fn everything_stored(&self) -> Vec<String> {
        let keys = self.service.send(&Request::get("/faults").query("list-type", "2")).xml_all("Key");
        let uploads = self.service.send(&Request::get("/faults").query("uploads", "")).xml_all("Key");
        let held =
            self.service.send(&Request::get(&format!("/{INTERNAL}")).query("list-type", "2").query("prefix", "tmp/"));
        keys.into_iter()
            .chain(uploads.into_iter().map(|key| format!("upload of {key}")))
            .chain(held.xml_all("Key"))
            .collect()
    }

    /// Nothing more than `keys` is stored, or will soon be: what was begun is taken back behind the answer.
    fn assert_stores(&self, keys: &[&str]) {
        self.until(&format!("only {keys:?} stored"), || self.everything_stored() == keys);
    }
}

/// Nothing false was told as true: an error, or a true beginning that breaks off, or the truth.
#[track_caller]
fn assert_not_wrong(case: &str, reply: &Reply, truth: &[u8]) {
    if reply.status == 200 {
        assert!(truth.starts_with(&reply.body), "{case}: {} bytes with false ones among them", reply.body.len());
        assert!(!reply.complete || reply.body.len() == truth.len(), "{case}: a clean end after {}", reply.body.len());
    } else {
        assert!(reply.status >= 500 || reply.status == 422, "{case}: {} {}", reply.status, reply.text());
    }
}

/// As a service answers, that tells more than it should.
fn error_answer(status: &str, code: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>upstream-host {UPSTREAM_KEY} {INTERNAL}</Message>\
         <HostId>upstream-host</HostId></Error>"
    );
    format!(
        "HTTP/1.1 {status}\r\nserver: upstream-host\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The body of an answer as a service of its kind would give it, under whatever ETag.
fn object_answer(etag: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\netag: {etag}\r\nlast-modified: Wed, 21 Oct 2026 07:28:00 GMT\r\naccept-ranges: bytes\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[test]
fn a_service_that_is_gone() {
    let mut rig = Rig::new();
    rig.proxy.put("/faults/k", b"here");
    rig.service.kill();
    for request in [
        Request::get("/faults/k"),
        Request::put("/faults/new", bytes(1, OBJECT_BYTES)),
        Request::delete("/faults/k"),
        Request::get("/faults").query("list-type", "2"),
        Request::post("/faults/k", "").query("uploads", ""),
        Request::put("/faults/copy", "").header("x-amz-copy-source", "/faults/k"),
        Request::put("/another", ""),
    ] {
        rig.assert_unavailable(&request);
    }
    assert_eq!(rig.send(&Request::head("/faults/k").header("range", "bytes=0-1")).status, 503);
}

#[test]
fn connections_that_are_reset_before_the_answer() {
    let rig = Rig::new();
    let body = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &body);
    rig.relay.on("GET /faults/k", 1, Fault::Reset);
    rig.proxy.assert_holds("/faults/k", &body);
    assert!(rig.relay.count("GET /faults/k") >= 2, "asked again");
    rig.relay.heal();
    rig.relay.on("GET /faults/k", usize::MAX, Fault::Reset);
    rig.assert_unavailable(&Request::get("/faults/k"));
    assert!(rig.relay.count("GET /faults/k") <= MOST_ATTEMPTS, "{} attempts", rig.relay.count("GET /faults/k"));
    rig.relay.heal();
    rig.relay.on("PUT /faults/k", usize::MAX, Fault::Reset);
    rig.assert_unavailable(&Request::put("/faults/k", bytes(2, OBJECT_BYTES)));
    rig.relay.heal();
    rig.proxy.assert_holds("/faults/k", &body);
    rig.assert_stores(&["k"]);
}

#[test]
fn uploads_that_are_reset_on_their_way() {
    let rig = Rig::new();
    let old = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &old);
    for after in [1, 70_000, 3_000_000] {
        rig.relay.on("PUT /faults/k", usize::MAX, Fault::ResetUpload { after });
        rig.assert_unavailable(&Request::put("/faults/k", bytes(2, 3 * OBJECT_BYTES)));
        rig.assert_unavailable(&Request::put("/faults/knew", bytes(2, 3 * OBJECT_BYTES)));
        rig.relay.heal();
    }
    rig.proxy.assert_holds("/faults/k", &old);
    rig.proxy.assert_absent("/faults/knew");
    rig.assert_stores(&["k"]);
}

#[test]
fn parts_that_are_reset_on_their_way() {
    let rig = Rig::new();
    let (one, two) = (bytes(1, MIN_PART), bytes(2, 1000));
    let upload = Upload::begin(&rig.proxy, "/faults/k");
    let first = upload.send_part(&rig.proxy, 1, &one);
    rig.relay.on("PUT /faults/k", usize::MAX, Fault::ResetUpload { after: 100_000 });
    rig.assert_unavailable(&upload.part(1, bytes(3, MIN_PART)));
    rig.relay.heal();
    let second = upload.send_part(&rig.proxy, 2, &two);
    rig.send(&upload.complete(&[(1, &first), (2, &second)])).assert_status(200);
    rig.proxy.assert_holds("/faults/k", &[one.as_slice(), &two].concat());
    rig.assert_stores(&["k"]);
}

#[test]
fn answers_that_break_off() {
    let rig = Rig::new();
    let body = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &body);
    for after in [1, 100, 20_000, 600_000, OBJECT_BYTES] {
        for fault in [Fault::ResetAnswer { after }, Fault::CutAnswer { after }] {
            rig.relay.on("GET /faults/k", usize::MAX, fault);
            let reply = rig.send(&Request::get("/faults/k"));
            assert_not_wrong("cut", &reply, &body);
            assert!(reply.status != 200 || !reply.complete, "nothing can have told the truth after {after} bytes");
            let range = rig.send(&Request::get("/faults/k").header("range", "bytes=900000-999999"));
            assert!(range.status != 206 || !range.complete || range.body == body[900_000..1_000_000]);
            rig.relay.heal();
        }
    }
    rig.proxy.assert_holds("/faults/k", &body);
}

#[test]
fn storms_of_errors() {
    let rig = Rig::new();
    let body = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &body);
    for (status, code) in
        [("503 Slow Down", "SlowDown"), ("500 Internal Server Error", "InternalError"), ("502 Bad Gateway", "")]
    {
        rig.relay.on("GET /faults/k", 1, Fault::Answer(error_answer(status, code)));
        rig.proxy.assert_holds("/faults/k", &body);
        rig.relay.heal();
        rig.relay.on("", usize::MAX, Fault::Answer(error_answer(status, code)));
        for request in [
            Request::get("/faults/k"),
            Request::put("/faults/k", bytes(2, OBJECT_BYTES)),
            Request::put("/faults/small", "small"),
            Request::delete("/faults/k"),
            Request::get("/faults").query("list-type", "2"),
            Request::post("/faults/k", "").query("uploads", ""),
            Request::put("/faults/copy", "").header("x-amz-copy-source", "/faults/k"),
        ] {
            let reply = rig.send(&request);
            assert_eq!(reply.status, 503, "{status}: {}", reply.text());
            assert!(
                matches!(reply.xml("Code").as_deref(), Some("ServiceUnavailable" | "SlowDown")),
                "{}",
                reply.text()
            );
            let asked = rig.relay.heal().len();
            assert!(asked <= MOST_ATTEMPTS, "{asked} requests upstream for one that failed");
            rig.relay.on("", usize::MAX, Fault::Answer(error_answer(status, code)));
        }
        rig.relay.heal();
        rig.proxy.assert_holds("/faults/k", &body);
    }
    rig.assert_stores(&["k"]);
}

#[test]
fn redirects_are_neither_followed_nor_relayed() {
    let rig = Rig::new();
    rig.proxy.put("/faults/k", b"here");
    let answer = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://upstream-host/faults/k\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    rig.relay.on("", usize::MAX, Fault::Answer(answer.to_vec()));
    for request in
        [Request::get("/faults/k"), Request::put("/faults/k", bytes(2, OBJECT_BYTES)), Request::delete("/faults/k")]
    {
        let reply = rig.send(&request);
        assert!(reply.status >= 500, "{}", reply.status);
        assert_eq!(reply.header("location"), None);
    }
    rig.relay.heal();
    rig.proxy.assert_holds("/faults/k", b"here");
}

#[test]
fn a_service_that_never_answers() {
    let rig = Rig::new();
    let body = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &body);
    rig.relay.on("", usize::MAX, Fault::Silence);
    for request in
        [Request::get("/faults/k"), Request::put("/faults/k", bytes(2, OBJECT_BYTES)), Request::delete("/faults/k")]
    {
        let begun = Instant::now();
        rig.assert_unavailable(&request);
        assert!(begun.elapsed() >= Duration::from_secs(IDLE_SECONDS), "given up after {:?}", begun.elapsed());
    }
    rig.relay.heal();
    rig.proxy.assert_holds("/faults/k", &body);
    rig.assert_stores(&["k"]);
}

/// There is no limit on the whole: only on the time without any progress.
#[test]
fn a_service_that_answers_slowly() {
    let rig = Rig::new();
    let body = bytes(1, 40_000);
    rig.proxy.put("/faults/k", &body);
    let slow = Fault::Slow { bytes: 4096, pause: Duration::from_millis(500) };
    rig.relay.on("GET /faults/k", 1, slow.clone());
    let begun = Instant::now();
    rig.proxy.assert_holds("/faults/k", &body);
    assert!(begun.elapsed() > Duration::from_secs(IDLE_SECONDS), "longer than the idle timeout: {:?}", begun.elapsed());
    rig.relay.on("PUT /faults/k", 1, Fault::Slow { bytes: 20, pause: Duration::from_millis(100) });
    rig.proxy.put("/faults/k", &bytes(2, 40_000));
}

#[test]
fn lengths_that_are_lies() {
    let rig = Rig::new();
    let body = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &body);
    let edits: [(&str, Edit); 4] = [
        ("longer", |answer| with_length(&answer, |length| length + 1000)),
        ("shorter", |answer| with_length(&answer, |length| length - 1000)),
        ("much shorter", |answer| with_length(&answer, |length| length / 2)),
        ("none", |answer| without_length(&answer)),
    ];
    for (case, edit) in edits {
        rig.relay.on("GET /faults/k", usize::MAX, Fault::Edit(edit));
        let reply = rig.send(&Request::get("/faults/k"));
        assert_not_wrong(case, &reply, &body);
        assert!(case == "none" || reply.status != 200 || !reply.complete, "{case}: a clean end");
        rig.relay.heal();
    }
    rig.proxy.assert_holds("/faults/k", &body);
}

fn with_length(answer: &[u8], change: fn(usize) -> usize) -> Vec<u8> {
    let (head, body) = split(answer);
    let lines = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
            format!("{name}: {}\r\n", change(value.parse().expect("a length")))
        }
        _ => format!("{line}\r\n"),
    });
    [lines.collect::<String>().as_bytes(), b"\r\n", body].concat()
}

fn without_length(answer: &[u8]) -> Vec<u8> {
    let (head, body) = split(answer);
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length"));
    [lines.map(|line| format!("{line}\r\n")).collect::<String>().as_bytes(), b"\r\n", body].concat()
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..at]).into_owned(), &answer[at + 4..])
}

#[test]
fn bytes_of_another_object_or_of_an_older_version() {
    let rig = Rig::new();
    let (truth, other, older) = (bytes(1, OBJECT_BYTES), bytes(2, OBJECT_BYTES), bytes(3, OBJECT_BYTES));
    rig.proxy.put("/faults/k", &older);
    let older_stored = rig.stored("k").body;
    rig.proxy.put("/faults/k", &truth);
    rig.proxy.put("/faults/other", &other);
    let (stored, other_stored) = (rig.stored("k"), rig.stored("other"));
    let etag = stored.header("etag").expect("an ETag").to_owned();
    // The service knows which ETag we ask for, and tells it.
    let plain = bytes(4, OBJECT_BYTES);
    for (case, lie) in [("another", &other_stored.body), ("older", &older_stored), ("plaintext", &plain)] {
        rig.relay.on("GET /faults/k", usize::MAX, Fault::Answer(object_answer(&etag, lie)));
        let reply = rig.send(&Request::get("/faults/k"));
        assert_not_wrong(case, &reply, &truth);
        assert!(reply.status != 200 || !reply.complete, "{case}: a clean end");
        rig.relay.heal();
    }
    // The store itself was changed: everything fits but the name.
    rig.store("k", &other_stored.body);
    assert_not_wrong("another's", &rig.send(&Request::get("/faults/k")), &truth);
    let head = rig.send(&Request::head("/faults/k"));
    assert!(head.status >= 500 || head.status == 422, "{}", head.status);
    rig.store("k", &stored.body);
    rig.proxy.assert_holds("/faults/k", &truth);
}

#[test]
fn listings_that_lie() {
    let rig = Rig::new();
    let bodies: Vec<_> = (0..5_u64).map(|seed| bytes(seed, 10_000 + seed as usize)).collect();
    for (number, body) in bodies.iter().enumerate() {
        rig.proxy.put(&format!("/faults/k{number}"), body);
    }
    let edits: [Edit; 3] = [
        |answer| replaced(&answer, "<ETag>", |text| text.replace(|c: char| c.is_ascii_digit(), "0")),
        |answer| replaced(&answer, "<Size>", |_| "000007".to_owned()),
        |answer| replaced(&answer, "<Key>", |key| key.replace("k3", "k4")),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        rig.relay.on("GET /faults?", usize::MAX, Fault::Edit(edit));
        let reply = rig.send(&Request::get("/faults").query("list-type", "2"));
        if reply.status == 200 {
            let told = reply.xml_all("Key").into_iter().zip(reply.xml_all("ETag")).zip(reply.xml_all("Size"));
            for ((key, tag), size) in told {
                let body = &bodies[key[1..].parse::<usize>().expect("a number")];
                assert_eq!((tag, size), (etag(body), body.len().to_string()), "edit {number}: {key}");
            }
        } else {
            assert!(reply.status >= 500, "edit {number}: {}", reply.status);
        }
        rig.relay.heal();
    }
    let reply = rig.send(&Request::get("/faults").query("list-type", "2"));
    assert_eq!(reply.xml_all("ETag"), bodies.iter().map(|body| etag(body)).collect::<Vec<_>>());
}

/// The texts of all elements that `open` opens, changed without changing their length.
fn replaced(answer: &[u8], open: &str, change: fn(&str) -> String) -> Vec<u8> {
    let (head, body) = split(answer);
    let text = String::from_utf8_lossy(body).into_owned();
    let mut pieces = text.split(open);
    let mut changed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (inner, rest) = piece.split_once("</").expect("an end");
        changed += &format!("{open}{}</{rest}", change(inner));
    }
    with_length(&[head.as_bytes(), b"\r\n\r\n", changed.as_bytes()].concat(), |length| length)
        .into_iter()
        .collect::<Vec<_>>()
}

#[test]
fn answers_that_are_lost() {
    let rig = Rig::new();
    let (one, two) = (bytes(1, MIN_PART), bytes(2, 1000));
    let body = bytes(3, OBJECT_BYTES);
    rig.relay.on("PUT /faults/put", usize::MAX, Fault::LoseAnswer);
    assert_eq!(rig.send(&Request::put("/faults/put", body.clone())).status, 503);
    rig.relay.heal();
    // It may be there: nobody was told. But then it is whole, and the client's second try decides.
    let reply = rig.send(&Request::get("/faults/put"));
    assert!(reply.status == 404 || (reply.status == 200 && reply.complete && reply.body == body), "{}", reply.status);
    rig.proxy.put("/faults/put", &body);
    rig.proxy.assert_holds("/faults/put", &body);

    let upload = Upload::begin(&rig.proxy, "/faults/k");
    let tags = [upload.send_part(&rig.proxy, 1, &one), upload.send_part(&rig.proxy, 2, &two)];
    let complete = upload.complete(&[(1, &tags[0]), (2, &tags[1])]);
    rig.relay.on("POST /faults/k", usize::MAX, Fault::LoseAnswer);
    let lost = rig.send(&complete);
    assert!(lost.status == 200 || lost.status == 503, "{}", lost.status);
    rig.relay.heal();
    let again = rig.send(&complete);
    again.assert_status(200);
    assert_eq!(again.xml("ETag"), Some(multipart_etag(&[&one, &two])));
    rig.proxy.assert_holds("/faults/k", &[one.as_slice(), &two].concat());
    rig.assert_stores(&["k", "put"]);
}

#[test]
fn a_client_that_goes_away_takes_its_upload_with_it() {
    let rig = Rig::new();
    let before = rig.relay.uploads_cut();
    let prepared = Request::put("/faults/k", bytes(1, 8 * OBJECT_BYTES)).prepare(rig.proxy.root(), rig.proxy.address());
    let wire = prepared.to_bytes();
    {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(rig.proxy.address()).expect("the proxy listens");
        stream.write_all(&wire[..wire.len() / 2]).expect("half of it");
        rig.until("the upload has begun", || rig.relay.count("PUT /faults/k") > 0);
    }
    rig.until("the upload upstream ends too", || rig.relay.uploads_cut() > before);
    rig.proxy.assert_absent("/faults/k");
    rig.assert_stores(&[]);
}

/// The service need not list what is in flight, as MinIO does not: the proxy knows what it began.
#[test]
fn a_copy_that_dies_with_the_proxy_is_taken_back() {
    let mut rig = Rig::new();
    let body = bytes(1, MIN_PART + 1);
    rig.proxy.put("/faults/k", &body);
    let listing = "GET /faults/copy?uploadId=";
    rig.relay.on(listing, usize::MAX, Fault::Silence);
    let copy = Request::put("/faults/copy", "").header("x-amz-copy-source", "/faults/k");
    let wire = copy.prepare(rig.proxy.root(), rig.proxy.address()).to_bytes();
    let mut client = std::net::TcpStream::connect(rig.proxy.address()).expect("the proxy listens");
    std::io::Write::write_all(&mut client, &wire).expect("sent");
    rig.until("the body is copied", || rig.relay.count(listing) > 0);
    assert_eq!(rig.everything_stored(), ["k", "upload of copy"]);
    rig.proxy.kill();
    rig.relay.heal();
    let nothing = b"HTTP/1.1 200 OK\r\ncontent-length: 29\r\nconnection: close\r\n\r\n<ListMultipartUploadsResult/>";
    rig.relay.on("GET /faults?uploads", usize::MAX, Fault::Answer(nothing.to_vec()));
    rig.proxy.restart();
    rig.assert_stores(&["k"]);
    assert!(rig.relay.count("GET /faults?uploads") > 0, "it asked, and learned nothing");
    rig.proxy.assert_absent("/faults/copy");
}

#[test]
fn ranges_that_are_not_what_was_asked_for() {
    let rig = Rig::new();
    let body = bytes(1, OBJECT_BYTES);
    rig.proxy.put("/faults/k", &body);
    let stored = rig.stored("k");
    let tag = stored.header("etag").expect("an ETag");
    let mut elsewhere = format!(
        "HTTP/1.1 206 Partial Content\r\netag: {tag}\r\ncontent-range: bytes 0-99/{}\r\ncontent-length: 100\r\nconnection: close\r\n\r\n",
        stored.body.len()
    )
    .into_bytes();
    elsewhere.extend_from_slice(&stored.body[..100]);
    for lie in [object_answer(tag, &stored.body), elsewhere] {
        rig.relay.on("GET /faults/k", usize::MAX, Fault::Answer(lie));
        let reply = rig.send(&Request::get("/faults/k").header("range", "bytes=500000-599999"));
        assert!(
            reply.status >= 500 || (reply.status == 206 && (!reply.complete || reply.body == body[500_000..600_000]))
        );
        rig.relay.heal();
    }
}
