//! UploadPartCopy: whole and in ranges, which never align with segments.

use crate::harness::{Request, Server, bytes, etag};
use crate::multipart::{MIN_PART, Upload};

fn copy(upload: &Upload, number: u32, source: &str) -> Request {
    upload.part(number, "").header("x-amz-copy-source", source)
}

#[test]
fn parts_from_ranges_of_another_object() {
    let server = Server::with_bucket("parts");
    let source = bytes(1, 2 * MIN_PART + 12_345);
    server.put("/parts/so urce", &source);
    let upload = Upload::begin(&server, "/parts/k");
    let mut tags = Vec::new();
    let cut = MIN_PART + 17;
    for (number, range) in [(1, 0..cut), (2, cut..source.len())] {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let reply = server.send(&copy(&upload, number, "/parts/so%20urce").header("x-amz-copy-source-range", &header));
        reply.assert_status(200);
        let tag = reply.xml("ETag").expect("an ETag");
        assert_eq!(tag, etag(&source[range]));
        tags.push(tag);
    }
    server.send(&upload.complete(&[(1, &tags[0]), (2, &tags[1])])).assert_status(200);
    server.assert_holds("/parts/k", &source);
}

#[test]
fn whole_source_and_its_own_target() {
    let server = Server::with_bucket("parts");
    server.put("/parts/k", b"old body");
    let upload = Upload::begin(&server, "/parts/k");
    let first = server.send(&copy(&upload, 1, "/parts/k"));
    let tag = first.assert_status(200).xml("ETag").expect("an ETag");
    server.send(&upload.complete(&[(1, &tag)])).assert_status(200);
    server.assert_holds("/parts/k", b"old body");
}

#[test]
fn ranges_that_the_source_does_not_have() {
    let server = Server::with_bucket("parts");
    server.put("/parts/source", b"0123456789");
    let upload = Upload::begin(&server, "/parts/k");
    for range in ["bytes=0-10", "bytes=10-20", "bytes=5-4", "bytes=-5", "bytes=5-", "0-5", "bytes=0-1,3-4", "x"] {
        let reply = server.send(&copy(&upload, 1, "/parts/source").header("x-amz-copy-source-range", range));
        assert!(matches!(reply.status, 400 | 416), "{range}: {}", reply.status);
    }
    server.send(&copy(&upload, 1, "/parts/nothing")).assert_error(404, "NoSuchKey");
    assert_eq!(upload.list_parts(&server).xml_all("PartNumber").len(), 0);
}

#[test]
fn conditions_on_the_source() {
    let server = Server::with_bucket("parts");
    server.put("/parts/source", b"0123456789");
    let upload = Upload::begin(&server, "/parts/k");
    let ask = |name: &str, value: &str| server.send(&copy(&upload, 1, "/parts/source").header(name, value)).status;
    assert_eq!(ask("x-amz-copy-source-if-match", &etag(b"other")), 412);
    assert_eq!(ask("x-amz-copy-source-if-none-match", &etag(b"0123456789")), 412);
    assert_eq!(ask("x-amz-copy-source-if-match", &etag(b"0123456789")), 200);
}
