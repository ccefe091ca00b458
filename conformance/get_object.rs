//! GetObject and HeadObject: ranges (catalogue 5.2), conditions (4.4), checksums (3.4), overrides, parts.

use crate::harness::{Auth, Reply, Request, Server, bytes, etag, md5_hex};

fn with_object(body: &[u8]) -> Server {
    let server = Server::with_bucket("get");
    server.put("/get/k", body);
    server
}

fn both(name: &str, value: &str) -> [Request; 2] {
    [Request::get("/get/k").header(name, value), Request::head("/get/k").header(name, value)]
}

/// The whole table, for GET and HEAD: what is malformed, reversed, multiple or in other units is the full object.
#[test]
fn range_grammar() {
    let body = bytes(1, 100);
    let server = with_object(&body);
    let slices: &[(&str, std::ops::Range<usize>)] = &[
        ("bytes=0-0", 0..1),
        ("bytes=0-", 0..100),
        ("bytes=99-", 99..100),
        ("bytes=10-19", 10..20),
        ("bytes=90-999999", 90..100),
        ("bytes=-1", 99..100),
        ("bytes=-100", 0..100),
        ("bytes=-101", 0..100),
        ("bytes=0-18446744073709551615", 0..100),
    ];
    for (range, slice) in slices {
        for request in both("range", range) {
            let reply = server.send(&request);
            assert_eq!(reply.status, 206, "{range}");
            let expected = format!("bytes {}-{}/100", slice.start, slice.end - 1);
            assert_eq!(reply.header("content-range"), Some(expected.as_str()), "{range}");
            assert_eq!(reply.header("content-length"), Some(slice.len().to_string().as_str()), "{range}");
            assert_eq!(reply.header("etag"), Some(etag(&body).as_str()));
        }
        assert_eq!(server.send(&Request::get("/get/k").header("range", range)).body, &body[slice.clone()], "{range}");
    }
    for range in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
        let refused = server.send(&Request::get("/get/k").header("range", range));
        assert_eq!((refused.status, refused.xml("Code").as_deref()), (416, Some("InvalidRange")), "{range}");
        assert_eq!(refused.xml("ActualObjectSize").as_deref(), Some("100"));
        assert_eq!(server.send(&Request::head("/get/k").header("range", range)).status, 416, "{range}");
    }
    for range in ["bytes=5-4", "bytes=a-b", "bytes=-", "bytes=", "0-5", "items=0-5", "bytes=0-1,5-6", "bytes 0-5"] {
        for request in both("range", range) {
            let reply = server.send(&request);
            assert_eq!((reply.status, reply.header("content-range")), (200, None), "{range}");
            assert_eq!(reply.header("content-length"), Some("100"), "{range}");
        }
    }
}

#[test]
fn ranges_of_the_empty_object() {
    let server = with_object(b"");
    let reply = server.send(&Request::get("/get/k").header("range", "bytes=-1"));
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    for range in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
        let refused = server.send(&Request::get("/get/k").header("range", range));
        refused.assert_error(416, "InvalidRange");
    }
    let whole = server.send(&Request::get("/get/k"));
    assert_eq!((whole.status, whole.header("content-length")), (200, Some("0")));
}

/// Every edge of every segment: plaintext offsets are not stored offsets.
#[test]
fn ranges_across_segments() {
    const SEGMENT: usize = 16_384;
    let body = bytes(2, 5 * SEGMENT + 100);
    let server = with_object(&body);
    let edges = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT - 1, 3 * SEGMENT, 5 * SEGMENT, body.len() - 1];
    for &first in &edges {
        for &last in edges.iter().filter(|&&last| last >= first) {
            let reply = server.send(&Request::get("/get/k").header("range", &format!("bytes={first}-{last}")));
            reply.assert_status(206);
            assert!(reply.body == body[first..=last], "bytes={first}-{last}");
        }
    }
}

/// A range that is longer than one frame (256 KiB) and not aligned with segments: the last segment of one frame is the
/// first of the next, and at the very end nothing more is to be fetched.
#[test]
fn long_ranges_that_are_not_aligned() {
    let body = bytes(3, 1_000_000);
    let server = with_object(&body);
    for (first, last) in [(17, body.len() - 1), (17, body.len() - 18), (16_383, 700_000), (262_143, 262_144 + 262_145)]
    {
        let reply = server.send(&Request::get("/get/k").header("range", &format!("bytes={first}-{last}")));
        reply.assert_status(206);
        assert!(reply.body == body[first..=last], "bytes={first}-{last}");
    }
}

/// Precedence: If-Match before If-Unmodified-Since, If-None-Match before If-Modified-Since.
#[test]
fn conditions() {
    let server = with_object(b"body");
    let tag = etag(b"body");
    let (past, future) = ("Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("if-match", &tag)], 200),
        (&[("if-match", &md5_hex(b"body"))], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "\"other\"")], 412),
        (&[("if-match", &format!("\"other\", {tag}"))], 200),
        (&[("if-match", &format!("W/{tag}"))], 412),
        (&[("if-none-match", &tag)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-modified-since", past)], 200),
        (&[("if-unmodified-since", past)], 412),
        (&[("if-unmodified-since", future)], 200),
        (&[("if-modified-since", future)], 200), // a date in the future says nothing
        (&[("if-modified-since", "yesterday")], 200),
        (&[("if-match", &tag), ("if-unmodified-since", past)], 200),
        (&[("if-match", "\"other\""), ("if-unmodified-since", future)], 412),
        (&[("if-none-match", &tag), ("if-modified-since", past)], 304),
        (&[("if-none-match", "\"other\""), ("if-modified-since", future)], 200),
    ];
    for (headers, status) in cases {
        for start in [Request::get("/get/k"), Request::head("/get/k")] {
            let request = headers.iter().fold(start, |request, (name, value)| request.header(name, value));
            let reply = server.send(&request);
            assert_eq!(reply.status, *status, "{headers:?}");
            if reply.status == 304 {
                assert_eq!(reply.header("etag"), Some(tag.as_str()), "a 304 carries the ETag");
            }
        }
    }
    let modified = server.send(&Request::head("/get/k")).header("last-modified").expect("a date").to_owned();
    assert_eq!(server.send(&Request::get("/get/k").header("if-modified-since", &modified)).status, 304);
    assert_eq!(server.send(&Request::get("/get/k").header("if-unmodified-since", &modified)).status, 200);
}

/// Players and browsers resume with it: the range when nothing changed, else all of it.
#[test]
fn if_range() {
    let server = with_object(b"0123456789");
    let ask = |value: &str| server.send(&Request::get("/get/k").header("range", "bytes=2-4").header("if-range", value));
    let kept = ask(&etag(b"0123456789"));
    assert_eq!((kept.status, kept.body.as_slice()), (206, &b"234"[..]));
    let changed = ask("\"other\"");
    assert_eq!((changed.status, changed.body.as_slice()), (200, &b"0123456789"[..]));
    let weak = ask(&format!("W/{}", etag(b"0123456789")));
    assert_eq!(weak.status, 200, "a weak tag compares with nothing");
}

/// On a 206 the whole object's checksum would be taken for the part's, and fail.
#[test]
fn no_checksum_on_a_partial_answer() {
    let server = with_object(b"123456789");
    let ask = |request: Request| server.send(&request.header("x-amz-checksum-mode", "ENABLED"));
    let sums = |reply: &Reply| reply.headers.iter().filter(|(n, _)| n.starts_with("x-amz-checksum-")).count();
    assert!(sums(&ask(Request::get("/get/k"))) > 0);
    assert_eq!(sums(&ask(Request::get("/get/k").header("range", "bytes=0-3"))), 0);
    assert_eq!(sums(&ask(Request::head("/get/k").header("range", "bytes=0-3"))), 0);
}

#[test]
fn response_overrides() {
    let server = with_object(b"body");
    let overrides = [
        ("response-content-type", "content-type", "text/x"),
        ("response-content-language", "content-language", "de"),
        ("response-expires", "expires", "Wed, 21 Oct 2037 07:28:00 GMT"),
        ("response-cache-control", "cache-control", "no-store"),
        ("response-content-disposition", "content-disposition", "attachment; filename=\"a b.txt\""),
        ("response-content-encoding", "content-encoding", "identity"),
    ];
    for auth in [Auth::Header, Auth::Presigned { expires_seconds: 60 }] {
        let get = Request::get("/get/k").auth(auth);
        let get = overrides.iter().fold(get, |get, (name, _, value)| get.query(name, value));
        let reply = server.send(&get);
        reply.assert_status(200);
        for (_, header, value) in overrides {
            assert_eq!(reply.header(header), Some(value));
        }
    }
    // A line break in an override would be a header of the attacker's choice.
    let split = Request::get("/get/k").query("response-content-type", "a/b\r\nx-injected: 1");
    let reply = server.send(&split);
    assert_eq!(reply.header("x-injected"), None);
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[test]
fn part_number_of_a_single_put() {
    let server = with_object(b"body");
    let one = server.send(&Request::get("/get/k").query("partNumber", "1"));
    assert_eq!((one.status, one.body.as_slice()), (206, &b"body"[..]));
    assert_eq!(one.header("x-amz-mp-parts-count"), None);
    let two = server.send(&Request::get("/get/k").query("partNumber", "2"));
    assert_eq!(two.status, 416, "{}", two.text());
    let mixed = Request::get("/get/k").query("partNumber", "1").header("range", "bytes=0-1");
    server.send(&mixed).assert_error(400, "InvalidRequest");
    for number in ["0", "10001", "x", ""] {
        server.send(&Request::get("/get/k").query("partNumber", number)).assert_error(400, "InvalidArgument");
    }
}

#[test]
fn absent_things() {
    let server = Server::with_bucket("get");
    let missing = server.send(&Request::get("/get/nothing"));
    missing.assert_error(404, "NoSuchKey");
    assert_eq!(missing.xml("Key").as_deref(), Some("nothing"));
    server.send(&Request::get("/elsewhere/nothing")).assert_error(404, "NoSuchBucket");
    let head = server.send(&Request::head("/get/nothing"));
    assert_eq!((head.status, head.body.len()), (404, 0));
    assert!(head.header("x-amz-request-id").is_some());
    let other_version = server.send(&Request::get("/get/nothing").query("versionId", "abc"));
    assert!((400..=501).contains(&other_version.status), "a version is never silently another");
}

#[test]
fn head_says_what_get_says() {
    let server = with_object(b"body");
    let (get, head) = (server.send(&Request::get("/get/k")), server.send(&Request::head("/get/k")));
    for name in ["etag", "content-length", "content-type", "last-modified", "accept-ranges"] {
        assert_eq!(get.header(name), head.header(name), "{name}");
        assert!(get.header(name).is_some(), "{name}");
    }
    assert_eq!(get.header("accept-ranges"), Some("bytes"));
}

/// Ids are ours, and nothing of the store behind us shows.
#[test]
fn every_answer_has_its_own_request_id() {
    let server = with_object(b"body");
    let ids: Vec<_> = (0..3)
        .map(|_| server.send(&Request::get("/get/k")).header("x-amz-request-id").expect("an id").to_owned())
        .collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
}
