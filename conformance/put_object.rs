//! PutObject: checksums (catalogue 3.2 to 3.5), conditions (4.4), headers and keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Payload, Request, Server, bytes, crc32_base64, etag, md5_hex};

fn md5_base64(data: &[u8]) -> String {
    STANDARD.encode(hex::decode(md5_hex(data)).expect("hex"))
}

#[test]
fn answers_with_the_md5_of_the_plaintext() {
    let server = Server::with_bucket("put");
    for size in [0, 1, 16_383, 16_384, 16_385, 70_000] {
        let body = bytes(size as u64, size);
        assert_eq!(server.put("/put/k", &body).header("etag"), Some(etag(&body).as_str()));
        server.assert_holds("/put/k", &body);
    }
}

#[test]
fn no_such_bucket() {
    let server = Server::start();
    server.send(&Request::put("/nowhere/k", "x")).assert_error(404, "NoSuchBucket");
}

#[test]
fn content_md5() {
    let server = Server::with_bucket("put");
    server.send(&Request::put("/put/k", "x").header("content-md5", &md5_base64(b"x"))).assert_status(200);
    let wrong = Request::put("/put/new", "x").header("content-md5", &md5_base64(b"y"));
    server.send(&wrong).assert_error(400, "BadDigest");
    for malformed in ["", "x", "AAAA", &md5_hex(b"x")] {
        server.send(&Request::put("/put/new", "x").header("content-md5", malformed)).assert_error(400, "InvalidDigest");
    }
    server.assert_absent("/put/new");
}

/// Five algorithms are verified, echoed with their type, kept, and shown when they are asked for.
#[test]
fn checksums_by_header() {
    let server = Server::with_bucket("put");
    // The check values of each algorithm for "123456789".
    for (name, value) in [
        ("crc32", "y/Q5Jg=="),
        ("crc32c", "4waSgw=="),
        ("crc64nvme", "rosUhgp5mIg="),
        ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ] {
        let header = format!("x-amz-checksum-{name}");
        let put = |value: &str| server.send(&Request::put("/put/k", "123456789").header(&header, value));
        let reply = put(value);
        reply.assert_status(200);
        assert_eq!(reply.header(&header), Some(value));
        assert_eq!(reply.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        let shown = server.send(&Request::head("/put/k").header("x-amz-checksum-mode", "ENABLED"));
        assert_eq!(shown.header(&header), Some(value));
        assert_eq!(server.send(&Request::head("/put/k")).header(&header), None, "only when asked for");
        let other = STANDARD.encode(vec![7; STANDARD.decode(value).expect("base64").len()]);
        put(&other).assert_error(400, "BadDigest");
        put("not base64").assert_error(400, "InvalidRequest");
        put("AAA=").assert_error(400, "InvalidRequest");
    }
    server.assert_holds("/put/k", b"123456789");
}

#[test]
fn one_checksum_and_a_known_one() {
    let server = Server::with_bucket("put");
    let two = Request::put("/put/k", "x").header("x-amz-checksum-crc32", &crc32_base64(b"x"));
    let two = two.header("x-amz-checksum-sha256", "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=");
    server.send(&two).assert_error(400, "InvalidRequest");
    let named = Request::put("/put/k", "x").header("x-amz-sdk-checksum-algorithm", "SHA1");
    server.send(&named.header("x-amz-checksum-crc32", &crc32_base64(b"x"))).assert_error(400, "InvalidRequest");
    for unknown in ["x-amz-checksum-md4", "x-amz-checksum-xxhash64", "x-amz-checksum-sha512"] {
        let reply = server.send(&Request::put("/put/k", "x").header(unknown, "AAAA"));
        assert!(matches!(reply.status, 400 | 501), "{unknown} is never ignored: {}", reply.status);
    }
    server.assert_absent("/put/k");
}

/// Nobody sent a checksum: S3 computes CRC64NVME, and so do we.
#[test]
fn crc64nvme_when_the_client_sent_none() {
    let server = Server::with_bucket("put");
    server.put("/put/k", b"123456789");
    let head = server.send(&Request::head("/put/k").header("x-amz-checksum-mode", "ENABLED"));
    assert_eq!(head.header("x-amz-checksum-crc64nvme"), Some("rosUhgp5mIg="));
    assert_eq!(head.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

#[test]
fn conditions() {
    let server = Server::with_bucket("put");
    let put = |name: &str, value: &str| server.send(&Request::put("/put/k", "new").header(name, value));
    put("if-match", &etag(b"old")).assert_error(404, "NoSuchKey");
    server.put("/put/k", b"old");
    put("if-none-match", "*").assert_error(412, "PreconditionFailed");
    put("if-match", &etag(b"other")).assert_error(412, "PreconditionFailed");
    put("if-match", &format!("W/{}", etag(b"old"))).assert_error(412, "PreconditionFailed");
    put("if-none-match", &etag(b"old")).assert_error(501, "NotImplemented");
    let both = Request::put("/put/k", "new").header("if-match", &etag(b"old")).header("if-none-match", "*");
    server.send(&both).assert_error(501, "NotImplemented");
    server.assert_holds("/put/k", b"old");
    put("if-match", &md5_hex(b"old")).assert_status(200); // unquoted is the same
    server.assert_holds("/put/k", b"new");
    let absent = Request::put("/put/absent", "first").header("if-none-match", "*");
    server.send(&absent).assert_status(200);
    server.send(&absent).assert_error(412, "PreconditionFailed");
}

/// Terraform's lock: of many that write at once with If-None-Match, one wins.
#[test]
fn of_concurrent_first_writers_one_wins() {
    let server = Server::with_bucket("put");
    for round in 0..5 {
        let path = format!("/put/lock-{round}");
        let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let body = format!("writer {writer}");
                    let request = Request::put(&path, body.clone()).header("if-none-match", "*");
                    let server = &server;
                    scope.spawn(move || (server.send(&request).status, body))
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().expect("a writer ends")).collect()
        });
        let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 409 | 412)), "{answers:?}");
        server.assert_holds(&path, won[0].1.as_bytes());
    }
}

#[test]
fn content_headers_and_metadata_come_back() {
    let server = Server::with_bucket("put");
    let headers = [
        ("cache-control", "max-age=60, private"),
        ("content-disposition", "attachment; filename=\"a b.csv\""),
        ("content-encoding", "gzip"),
        ("content-language", "cs, en"),
        ("content-type", "text/csv; charset=utf-8"),
        ("expires", "Wed, 21 Oct 2037 07:28:00 GMT"),
        ("x-amz-meta-plain", "value"),
        ("x-amz-meta-empty", ""),
        ("x-amz-meta-list", "a,b, c"),
        ("x-amz-meta-md5chksum", "XrY7u+Ae7tCTyyK7j1rNww=="),
    ];
    let put = headers.iter().fold(Request::put("/put/k", "x"), |put, (name, value)| put.header(name, value));
    server.send(&put).assert_status(200);
    for request in [Request::get("/put/k"), Request::head("/put/k")] {
        let reply = server.send(&request);
        for (name, value) in headers {
            assert_eq!(reply.header(name), Some(value), "{name}");
        }
    }
    // Another PUT replaces all of it, and S3 has a type for those who give none.
    server.put("/put/k", b"y");
    let bare = server.send(&Request::head("/put/k"));
    assert_eq!(bare.header("content-type"), Some("binary/octet-stream"));
    assert!(bare.headers.iter().all(|(name, _)| !name.starts_with("x-amz-meta-") && name != "expires"));
}

#[test]
fn metadata_beyond_two_kilobytes() {
    let server = Server::with_bucket("put");
    let with = |bytes: usize| Request::put("/put/k", "x").header("x-amz-meta-k", &"v".repeat(bytes - 1));
    server.send(&with(2048)).assert_status(200);
    server.send(&with(2049)).assert_error(400, "MetadataTooLarge");
}

#[test]
fn length_is_needed() {
    let server = Server::with_bucket("put");
    let put = Request::put("/put/k", "0\r\n\r\n").payload(Payload::Unsigned);
    let put = put.unsigned_header("transfer-encoding", "chunked");
    server.send(&put).assert_error(411, "MissingContentLength");
    server.assert_absent("/put/k");
}

/// botocore takes the status that comes in the place of a 100 for that of the next answer on the connection, too. It sends
/// Expect with empty bodies, so that connection has to end, or its next request fails now and then.
#[test]
fn answer_in_the_place_of_100_continue_ends_the_connection() {
    let server = Server::with_bucket("put");
    for (put, status) in [
        (Request::put("/put/k", ""), 200),
        (Request::put("/put/k", "x").header("if-none-match", "*"), 412),
        (Request::put("/nowhere/k", "x"), 404),
    ] {
        let put = put.unsigned_header("expect", "100-continue").unsigned_header("connection", "keep-alive");
        let reply = server.send(&put);
        assert_eq!((reply.status, reply.header("connection")), (status, Some("close")), "{}", reply.text());
    }
}

#[test]
fn keys_of_1024_bytes_and_no_more() {
    let server = Server::with_bucket("put");
    let key = format!("{}é", "k".repeat(1022));
    server.put(&format!("/put/{key}"), b"long");
    server.assert_holds(&format!("/put/{key}"), b"long");
    server.send(&Request::put(&format!("/put/{key}x"), "longer")).assert_error(400, "KeyTooLongError");
    let not_text = Request::put("/", "x").raw_path("/put/%FF%FE");
    let reply = server.send(&not_text);
    assert_eq!(reply.status, 400, "{}", reply.text());
}

/// What would change how an object is kept is refused, never ignored; what changes nothing is accepted.
#[test]
fn headers_that_promise_something() {
    let server = Server::with_bucket("put");
    for (name, value) in [
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-website-redirect-location", "/elsewhere"),
        ("x-amz-write-offset-bytes", "1"),
        ("x-amz-meaning-unknown", "1"),
    ] {
        let reply = server.send(&Request::put("/put/k", "x").header(name, value));
        assert_eq!(reply.status, 501, "{name}: {}", reply.text());
        assert_eq!(reply.xml("Code").as_deref(), Some("NotImplemented"), "{name}");
    }
    server.assert_absent("/put/k");
    for (name, value) in [
        ("x-amz-acl", "private"),
        ("x-amz-acl", "bucket-owner-full-control"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-server-side-encryption", "AES256"),
    ] {
        let reply = server.send(&Request::put("/put/k", "x").header(name, value));
        reply.assert_status(200);
        if name == "x-amz-server-side-encryption" {
            assert_eq!(reply.header(name), Some("AES256"));
        }
    }
}

#[test]
fn tags_of_the_header() {
    let server = Server::with_bucket("put");
    let put = |tags: &str| server.send(&Request::put("/put/k", "x").header("x-amz-tagging", tags));
    put("a=1&b%20c=%2B&d=").assert_status(200);
    assert_eq!(server.send(&Request::head("/put/k")).header("x-amz-tagging-count"), Some("3"));
    let tags = server.send(&Request::get("/put/k").query("tagging", ""));
    let pairs: Vec<_> = tags.xml_all("Key").into_iter().zip(tags.xml_all("Value")).collect();
    assert!(pairs.contains(&("b c".to_owned(), "+".to_owned())), "{pairs:?}");
    put("a=1&a=2").assert_status(400);
    let eleven: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
    put(&eleven.join("&")).assert_status(400);
}
