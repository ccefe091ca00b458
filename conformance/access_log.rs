//! One access-log line per request, with what operators search for and nothing that must not be there.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{Request, Server, bytes};

/// The lines so far, once there are `count`: a line is written when the answer has gone out, a moment after it arrived.
fn lines(server: &Server, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let log = server.log();
        let found: Vec<_> = log.lines().filter(|line| line.contains(" access: ")).map(str::to_owned).collect();
        if found.len() >= count || begun.elapsed() > Duration::from_secs(10) {
            assert_eq!(found.len(), count, "{log}");
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_answer_has_its_line_and_went_out_whole() {
    let server = Server::with_bucket("logged");
    server.put("/logged/k", b"some body");
    server.assert_holds("/logged/k", b"some body");
    server.send(&Request::head("/logged/k")).assert_status(200);
    server.send(&Request::get("/logged/absent").query("versionId", "null"));
    server.send(&Request::delete("/logged/k")).assert_status(204);
    server.send(&Request::get("/logged").query("list-type", "2")).assert_status(200);
    let expected = [
        ("CreateBucket", 200),
        ("PutObject", 200),
        ("GetObject", 200),
        ("HeadObject", 200),
        ("GetObject", 404),
        ("DeleteObject", 204),
        ("ListObjectsV2", 200),
    ];
    for (line, (operation, status)) in lines(&server, expected.len()).iter().zip(expected) {
        for part in [format!("operation=\"{operation}\""), format!("status={status} "), "end=Whole".to_owned()] {
            assert!(line.contains(&part), "{part} is not in: {line}");
        }
        assert!(line.contains("access_key_id=\"AKCONFORMANCEROOT001\"") && line.contains("request_id="), "{line}");
        assert!(!line.contains("versionId") && !line.contains("list-type"), "no query, where signatures are: {line}");
    }
}

#[test]
fn client_that_goes_away_is_seen() {
    let server = Server::with_bucket("logged");
    server.put("/logged/large", &bytes(1, 50_000_000));
    let request = Request::get("/logged/large").prepare(server.root(), server.address()).to_bytes();
    let mut stream = TcpStream::connect(server.address()).expect("connects");
    std::io::Write::write_all(&mut stream, &request).expect("sends");
    stream.read_exact(&mut [0; 1000]).expect("the answer begins");
    drop(stream);
    let line = &lines(&server, 3)[2];
    assert!(line.contains("end=Dropped") && line.contains("status=200"), "{line}");
}
