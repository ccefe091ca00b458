//! What never becomes a request has S3's answer too: XML, a request id, a line in the log, and the end of the connection.

use std::time::{Duration, Instant};

use crate::harness::Server;
use crate::harness::reply::exchange;

#[test]
fn rubbish_is_answered_as_s3_does_and_logged() {
    let server = Server::start();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-amz-meta-a:\r\n".repeat(600));
    for (sent, code) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01", "BadRequest"),
        ("GET / HTTP/1.1\r\nbad header: x\r\n\r\n", "BadRequest"),
        ("PUT / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "BadRequest"),
        (&long, "RequestHeaderSectionTooLarge"),
        (&many, "RequestHeaderSectionTooLarge"),
    ] {
        let reply = exchange(server.address(), sent.as_bytes(), false).expect("an answer");
        reply.assert_error(400, code);
        assert_eq!(reply.header("connection"), Some("close"));
        let id = reply.header("x-amz-request-id").expect("an id").to_owned();
        let begun = Instant::now();
        let is_logged = || {
            let log = server.log();
            log.lines().any(|line| line.contains(" access: ") && line.contains(&id) && line.contains(code))
        };
        while !is_logged() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(exchange(server.address(), b"", true).is_none(), "who says nothing is told nothing");
}
