//! CopyObject: COPY and REPLACE, copies onto itself, conditions on the source, strange keys.

use crate::harness::{Reply, Request, Server, bytes, etag};

fn with_source(body: &[u8]) -> Server {
    let server = Server::with_bucket("copy");
    let put = Request::put("/copy/source", body)
        .header("content-type", "text/x")
        .header("cache-control", "no-store")
        .header("x-amz-meta-colour", "blue")
        .header("x-amz-tagging", "team=blue");
    server.send(&put).assert_status(200);
    server
}

fn copy(to: &str, from: &str) -> Request {
    Request::put(to, "").header("x-amz-copy-source", from)
}

fn assert_copied(server: &Server, reply: &Reply, body: &[u8]) {
    reply.assert_status(200);
    assert_eq!(reply.xml("ETag"), Some(etag(body)));
    assert!(reply.xml("LastModified").is_some());
    server.assert_holds("/copy/target", body);
}

#[test]
fn copies_everything() {
    let body = bytes(1, 40_000);
    let server = with_source(&body);
    assert_copied(&server, &server.send(&copy("/copy/target", "/copy/source")), &body);
    let head = server.send(&Request::head("/copy/target"));
    assert_eq!(head.header("content-type"), Some("text/x"));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("x-amz-meta-colour"), Some("blue"));
    assert_eq!(head.header("x-amz-tagging-count"), Some("1"));
}

#[test]
fn replaces_what_it_is_told_to() {
    let server = with_source(b"body");
    let replace = copy("/copy/target", "copy/source")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-new", "1")
        .header("x-amz-tagging-directive", "REPLACE")
        .header("x-amz-tagging", "a=1&b=2");
    assert_copied(&server, &server.send(&replace), b"body");
    let head = server.send(&Request::head("/copy/target"));
    assert_eq!((head.header("x-amz-meta-new"), head.header("x-amz-meta-colour")), (Some("1"), None));
    assert_eq!(head.header("cache-control"), None);
    assert_eq!(head.header("x-amz-tagging-count"), Some("2"));
    let unknown = copy("/copy/target", "copy/source").header("x-amz-metadata-directive", "KEEP");
    server.send(&unknown).assert_error(400, "InvalidArgument");
}

#[test]
fn onto_itself_only_to_change_something() {
    let server = with_source(b"body");
    server.send(&copy("/copy/source", "/copy/source")).assert_error(400, "InvalidRequest");
    let replace = copy("/copy/source", "/copy/source").header("x-amz-metadata-directive", "REPLACE");
    server.send(&replace.header("x-amz-meta-new", "1")).assert_status(200);
    server.assert_holds("/copy/source", b"body");
    assert_eq!(server.send(&Request::head("/copy/source")).header("x-amz-meta-new"), Some("1"));
}

#[test]
fn conditions_on_the_source() {
    let server = with_source(b"body");
    let tag = etag(b"body");
    let (past, future) = ("Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for (name, value, status) in [
        ("if-match", tag.as_str(), 200),
        ("if-match", "\"other\"", 412),
        ("if-none-match", &tag, 412),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", past, 200),
        ("if-unmodified-since", past, 412),
        ("if-unmodified-since", future, 200),
    ] {
        let request = copy("/copy/target", "/copy/source").header(&format!("x-amz-copy-source-{name}"), value);
        let reply = server.send(&request);
        assert_eq!(reply.status, status, "{name}: {value}: {}", reply.text());
    }
}

#[test]
fn conditions_on_the_destination() {
    let server = with_source(b"body");
    server.put("/copy/target", b"here");
    server
        .send(&copy("/copy/target", "/copy/source").header("if-none-match", "*"))
        .assert_error(412, "PreconditionFailed");
    server
        .send(&copy("/copy/target", "/copy/source").header("if-match", "\"x\""))
        .assert_error(412, "PreconditionFailed");
    server.assert_holds("/copy/target", b"here");
    let copied = server.send(&copy("/copy/target", "/copy/source").header("if-match", &etag(b"here")));
    assert_copied(&server, &copied, b"body");
}

#[test]
fn sources_that_are_not_there_or_not_sources() {
    let server = with_source(b"body");
    server.send(&copy("/copy/target", "/copy/nothing")).assert_error(404, "NoSuchKey");
    server.send(&copy("/copy/target", "/elsewhere/source")).assert_error(404, "NoSuchBucket");
    for wrong in ["", "/", "copy", "/copy", "/copy/"] {
        server.send(&copy("/copy/target", wrong)).assert_error(400, "InvalidArgument");
    }
    // A key, not a path: nothing climbs out of a bucket.
    server.send(&Request::put("/other", "")).assert_status(200);
    server.send(&copy("/other/target", "/other/../copy/source")).assert_error(404, "NoSuchKey");
    let version = copy("/copy/target", "/copy/source?versionId=abc");
    assert!(server.send(&version).status >= 400, "a version is never silently another");
    server.assert_absent("/copy/target");
}

#[test]
fn strange_keys() {
    let server = with_source(b"body");
    for key in ["sp ace", "pl+us", "per%cent", "q?a=b", "dir//x", "up/../x", "é/日本", "tail/"] {
        server.put(&format!("/copy/{key}"), key.as_bytes());
        let encoded = crate::harness::request::encode(key, "/");
        assert_copied(&server, &server.send(&copy("/copy/target", &format!("/copy/{encoded}"))), key.as_bytes());
        let fully = crate::harness::request::encode(&format!("copy/{key}"), "");
        assert_copied(&server, &server.send(&copy("/copy/target", &fully)), key.as_bytes());
    }
}

#[test]
fn across_buckets() {
    let body = bytes(2, 100_000);
    let server = with_source(&body);
    server.send(&Request::put("/other", "")).assert_status(200);
    server.send(&copy("/other/target", "/copy/source")).assert_status(200);
    server.assert_holds("/other/target", &body);
    server.send(&Request::delete("/copy/source")).assert_status(204);
    server.assert_holds("/other/target", &body);
}

/// The checksum comes along; another algorithm is computed anew.
#[test]
fn checksums() {
    let server = with_source(b"x");
    let put = Request::put("/copy/source", "123456789").header("x-amz-checksum-crc32", "y/Q5Jg==");
    server.send(&put).assert_status(200);
    let shown = |name: &str| {
        let head = server.send(&Request::head("/copy/target").header("x-amz-checksum-mode", "ENABLED"));
        head.header(name).map(str::to_owned)
    };
    server.send(&copy("/copy/target", "/copy/source")).assert_status(200);
    assert_eq!(shown("x-amz-checksum-crc32").as_deref(), Some("y/Q5Jg=="));
    let other = copy("/copy/target", "/copy/source").header("x-amz-checksum-algorithm", "SHA1");
    assert_eq!(server.send(&other).xml("ChecksumSHA1").as_deref(), Some("98O8HYCOBHMq32eZZczDTKeuNEE="));
    assert_eq!(shown("x-amz-checksum-sha1").as_deref(), Some("98O8HYCOBHMq32eZZczDTKeuNEE="));
}
