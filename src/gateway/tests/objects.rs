//! PUT, GET, HEAD and DELETE: round trips, conditions, ranges, parts of speech of the answers.

use super::bench::{Actor, Answer, Bench, Send};

const HELLO_ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const EMPTY_ETAG: &str = "\"d41d8cd98f00b204e9800998ecf8427e\"";

#[tokio::test]
async fn what_was_put_is_got_under_every_kind_of_key() {
    let bench = Bench::new().await;
    for key in ["plain", "a%20b", "a%2Bb", "a+b", "%25", "a//b", "/a", "a/../b", "a/./b", "%2E%2E", "a/", "%C3%BC", "a"]
    {
        let target = format!("/data/{key}");
        let put = bench.put(&target, key.as_bytes()).await.expect(200);
        let got = bench.get(&target).await.expect(200);
        assert_eq!(got.bytes(), key.as_bytes());
        assert_eq!(got.header("etag"), put.header("etag"));
        let head = bench.send(Send::new("HEAD", &target)).await.expect(200);
        assert_eq!(head.header("etag"), put.header("etag"));
        assert_eq!(head.header("content-length"), Some(key.len().to_string().as_str()));
        assert!(head.bytes().is_empty());
    }
    let keys = bench.get("/data?list-type=2").await.expect(200);
    assert_eq!(
        keys.element("KeyCount").as_deref(),
        Some("12"),
        "%2E%2E and .. is one key, the others are each their own"
    );
}

#[tokio::test]
async fn sizes_around_the_segments_and_frames() {
    let bench = Bench::new().await;
    for size in [0, 1, 16_383, 16_384, 16_385, 262_143, 262_144, 262_145, 1_000_003] {
        let body: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        bench.put("/data/key", body.clone()).await.expect(200);
        let got = bench.get("/data/key").await.expect(200);
        assert!(got.bytes() == body, "{size}");
        assert_eq!(got.header("content-length"), Some(size.to_string().as_str()));
    }
}

#[tokio::test]
async fn every_answer_has_ids_date_and_server() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    let mut ids = Vec::new();
    for (method, target) in [
        ("GET", "/"),
        ("HEAD", "/data"),
        ("GET", "/data/key"),
        ("GET", "/data/none"),
        ("HEAD", "/none/none"),
        ("GET", "/?acl"),
    ] {
        let answer = bench.send(Send::new(method, target)).await;
        for name in ["x-amz-request-id", "x-amz-id-2", "date", "server"] {
            assert!(answer.header(name).is_some_and(|value| !value.is_empty()), "{method} {target}: {name}");
        }
        if !answer.status.is_success() && method != "HEAD" {
            assert_eq!(answer.element("RequestId").as_deref(), answer.header("x-amz-request-id"));
            assert_eq!(answer.element("HostId").as_deref(), answer.header("x-amz-id-2"));
            assert_eq!(answer.header("content-type"), Some("application/xml"));
        }
        ids.push(answer.header("x-amz-request-id").map(str::to_owned));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6, "every request has an id of its own");
}

#[tokio::test]
async fn head_errors_have_no_body() {
    let bench = Bench::new().await;
    for (target, status) in [("/data/none", 404), ("/none", 404), ("/none/key", 404)] {
        let answer = bench.send(Send::new("HEAD", target)).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(answer.bytes().is_empty());
    }
}

#[tokio::test]
async fn headers_and_metadata_come_back_as_sent() {
    let bench = Bench::new().await;
    let sent = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-disposition", "attachment; filename=\"a b\""),
        ("cache-control", "max-age=60"),
        ("expires", "not a date"),
        ("x-amz-meta-colour", "blue, green"),
        ("x-amz-meta-md5chksum", "XUFAKrxLKna5cZ2REBfFkg=="),
    ];
    let mut put = Send::new("PUT", "/data/key").body("hello");
    for (name, value) in sent {
        put = put.header(name, value);
    }
    bench.send(put).await.expect(200);
    for method in ["GET", "HEAD"] {
        let answer = bench.send(Send::new(method, "/data/key")).await.expect(200);
        for (name, value) in sent {
            assert_eq!(answer.header(name), Some(value), "{method} {name}");
        }
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("x-amz-server-side-encryption"), Some("AES256"));
    }
    let overridden = bench
        .get("/data/key?response-content-type=image%2Fpng&response-content-disposition=inline&response-expires=never")
        .await
        .expect(200);
    assert_eq!(overridden.header("content-type"), Some("image/png"));
    assert_eq!(overridden.header("content-disposition"), Some("inline"));
    assert_eq!(overridden.header("expires"), Some("never"));
    assert_eq!(overridden.header("content-language"), Some("de"));
    bench.put("/data/bare", "").await.expect(200);
    let bare = bench.get("/data/bare").await.expect(200);
    assert_eq!(bare.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(bare.header("etag"), Some(EMPTY_ETAG));
}

#[tokio::test]
async fn aws_chunked_is_not_stored_as_an_encoding() {
    let bench = Bench::new().await;
    let put = super::bodies::unsigned_trailer("/data/key", b"hello", super::bodies::CRC32_OF_HELLO);
    bench.send(put.header("content-encoding", "aws-chunked,gzip")).await.expect(200);
    assert_eq!(bench.get("/data/key").await.expect(200).header("content-encoding"), Some("gzip"));
}

/// Status, body and Content-Range of a ranged GET, which HEAD must agree with.
async fn ranged(bench: &Bench, target: &str, range: &str) -> (u16, Answer) {
    let get = bench.send(Send::new("GET", target).header("range", range)).await;
    let head = bench.send(Send::new("HEAD", target).header("range", range)).await;
    assert_eq!(get.status, head.status, "{range}");
    for name in ["content-range", "content-length", "etag"] {
        if get.status.is_success() || name == "content-range" {
            assert_eq!(get.header(name), head.header(name), "{range} {name}");
        }
    }
    (get.status.as_u16(), get)
}

#[tokio::test]
async fn ranges() {
    let bench = Bench::new().await;
    let body: Vec<u8> = (0..100).collect();
    bench.put("/data/key", body.clone()).await.expect(200);
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-9", 0..10),
        ("bytes=90-", 90..100),
        ("bytes=-10", 90..100),
        ("bytes=-101", 0..100),
        ("bytes=0-999999", 0..100),
        ("bytes=99-99", 99..100),
    ] {
        let (status, answer) = ranged(&bench, "/data/key", range).await;
        assert_eq!(status, 206, "{range}");
        assert_eq!(answer.bytes(), &body[expected.clone()], "{range}");
        let shown = format!("bytes {}-{}/100", expected.start, expected.end - 1);
        assert_eq!(answer.header("content-range"), Some(shown.as_str()));
    }
    for ignored in ["bytes=5-1", "bytes=0-1,3-4", "items=0-1", "bytes=", "bytes=a-b", "bytes 0-1", ""] {
        let (status, answer) = ranged(&bench, "/data/key", ignored).await;
        assert_eq!((status, answer.bytes()), (200, &body[..]), "{ignored}");
        assert_eq!(answer.header("content-range"), None);
    }
    for outside in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
        let (status, answer) = ranged(&bench, "/data/key", outside).await;
        assert_eq!(status, 416, "{outside}");
        assert_eq!(answer.header("content-range"), Some("bytes */100"));
        let answer = answer.refused(416, "InvalidRange");
        assert_eq!(answer.element("ActualObjectSize").as_deref(), Some("100"));
        assert_eq!(answer.element("RangeRequested").as_deref(), Some(outside));
    }
}

/// Frames and segments do not line up with the range.
#[tokio::test]
async fn long_ranges_that_line_up_with_nothing() {
    let bench = Bench::new().await;
    let body: Vec<u8> = (0..=250).cycle().take(1_000_003).collect();
    bench.put("/data/key", body.clone()).await.expect(200);
    let frame = 262_144;
    for (start, end) in [
        (0, frame),
        (0, frame + 17),
        (17, frame + 17),
        (17, 2 * frame),
        (1, 1_000_003),
        (16_383, 16_384 + 3 * frame),
        (16_384, 16_385 + 3 * frame),
        (500_000, 1_000_003),
        (5_000, 5_000 + 2 * frame),
    ] {
        let range = format!("bytes={start}-{}", end - 1);
        let got = bench.send(Send::new("GET", "/data/key").header("range", range.as_str())).await.expect(206);
        assert!(got.bytes() == &body[start..end], "{range}");
    }
}

#[tokio::test]
async fn ranges_of_an_empty_object() {
    let bench = Bench::new().await;
    bench.put("/data/empty", "").await.expect(200);
    let (status, answer) = ranged(&bench, "/data/empty", "bytes=-1").await;
    assert_eq!((status, answer.bytes().len()), (200, 0));
    for range in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
        assert_eq!(ranged(&bench, "/data/empty", range).await.0, 416, "{range}");
    }
    let part = bench.get("/data/empty?partNumber=1").await.expect(200);
    assert_eq!(part.header("content-range"), None);
}

#[tokio::test]
async fn conditions_of_reading() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    let modified = bench.get("/data/key").await.header("last-modified").expect("a date").to_owned();
    let (long_ago, other) = ("Tue, 01 Jan 2019 00:00:00 GMT", "\"00000000000000000000000000000000\"");
    let unquoted = HELLO_ETAG.trim_matches('"');
    let weak = format!("W/{HELLO_ETAG}");
    let table: [(&[(&str, &str)], u16); 14] = [
        (&[("if-match", HELLO_ETAG)], 200),
        (&[("if-match", unquoted)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", other)], 412),
        (&[("if-match", &weak)], 412),
        (&[("if-none-match", HELLO_ETAG)], 304),
        (&[("if-none-match", other)], 200),
        (&[("if-modified-since", &modified)], 304),
        (&[("if-modified-since", long_ago)], 200),
        (&[("if-unmodified-since", &modified)], 200),
        (&[("if-unmodified-since", long_ago)], 412),
        // ETags beat dates.
        (&[("if-match", HELLO_ETAG), ("if-unmodified-since", long_ago)], 200),
        (&[("if-none-match", other), ("if-modified-since", &modified)], 200),
        (&[("if-none-match", HELLO_ETAG), ("if-modified-since", long_ago)], 304),
    ];
    for (headers, expected) in table {
        for method in ["GET", "HEAD"] {
            let mut send = Send::new(method, "/data/key");
            for (name, value) in headers {
                send = send.header(name, *value);
            }
            let answer = bench.send(send).await;
            assert_eq!(answer.status.as_u16(), expected, "{method} {headers:?}");
            if expected == 304 {
                assert_eq!(answer.header("etag"), Some(HELLO_ETAG));
                assert_eq!(answer.header("content-length"), None, "a 304 says nothing of a body");
                assert!(answer.bytes().is_empty());
            }
            if expected == 412 && method == "GET" {
                assert_eq!(answer.element("Code").as_deref(), Some("PreconditionFailed"));
                assert!(answer.element("Condition").is_some());
            }
        }
    }
}

#[tokio::test]
async fn if_range_serves_the_range_of_this_object_only() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    let modified = bench.get("/data/key").await.header("last-modified").expect("a date").to_owned();
    for (if_range, status) in [
        (HELLO_ETAG, 206),
        (modified.as_str(), 206),
        ("\"00000000000000000000000000000000\"", 200),
        ("W/\"5d41402abc4b2a76b9719d911017c592\"", 200),
        ("Tue, 01 Jan 2019 00:00:00 GMT", 200),
    ] {
        let send = Send::new("GET", "/data/key").header("range", "bytes=0-1").header("if-range", if_range);
        assert_eq!(bench.send(send).await.status.as_u16(), status, "{if_range}");
    }
}

#[tokio::test]
async fn conditions_of_writing() {
    let bench = Bench::new().await;
    let put = |name: &'static str, value: &str| Send::new("PUT", "/data/key").body("hello").header(name, value);
    bench.send(put("if-match", HELLO_ETAG)).await.refused(404, "NoSuchKey");
    bench.send(put("if-none-match", "*")).await.expect(200);
    bench.send(put("if-none-match", "*")).await.refused(412, "PreconditionFailed");
    bench.send(put("if-match", EMPTY_ETAG)).await.refused(412, "PreconditionFailed");
    bench.send(put("if-match", HELLO_ETAG)).await.expect(200);
    bench.send(put("if-match", "*")).await.expect(200);
    bench.send(put("if-none-match", HELLO_ETAG)).await.refused(501, "NotImplemented");
    let delete = |etag: &str| Send::new("DELETE", "/data/key").header("if-match", etag);
    bench.send(delete(EMPTY_ETAG)).await.refused(412, "PreconditionFailed");
    bench.send(delete(HELLO_ETAG)).await.expect(204);
    bench.get("/data/key").await.refused(404, "NoSuchKey");
}

#[tokio::test]
async fn delete_succeeds_whether_it_is_there_or_not() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    for _ in 0..2 {
        let deleted = bench.send(Send::new("DELETE", "/data/key")).await.expect(204);
        assert!(deleted.bytes().is_empty());
        assert_eq!(deleted.header("content-length"), None);
    }
    let gone = bench.get("/data/key").await.refused(404, "NoSuchKey");
    assert_eq!(gone.element("Key").as_deref(), Some("key"));
}

#[tokio::test]
async fn old_versions_are_never_taken_for_the_current_one() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    for method in ["GET", "DELETE"] {
        bench.send(Send::new(method, "/data/key?versionId=abc")).await.refused(400, "InvalidArgument");
    }
    bench.get("/data/key?versionId=null").await.expect(200);
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    for (method, target) in [
        ("GET", "/data/key"),
        ("PUT", "/data/key"),
        ("DELETE", "/data/key"),
        ("GET", "/data"),
        ("DELETE", "/data"),
        ("PUT", "/another"),
        ("POST", "/data/key?uploads"),
        ("GET", "/data/key?tagging"),
    ] {
        for actor in [Actor::Stranger, Actor::Anonymous] {
            bench.send(Send::new(method, target).by(actor)).await.refused(403, "AccessDenied");
        }
        let refused = bench.send(Send::new(method, target).by(Actor::Impostor)).await;
        refused.refused(403, "SignatureDoesNotMatch");
    }
    assert_eq!(bench.get("/data/key").await.expect(200).bytes(), b"hello");
    let listed = bench.send(Send::new("GET", "/").by(Actor::Stranger)).await.expect(200);
    assert_eq!(listed.element("Name"), None, "a stranger sees no bucket");
}

#[tokio::test]
async fn strangers_get_nothing_of_their_headers_back() {
    let bench = Bench::new().await;
    let anonymous =
        bench.send(Send::new("GET", "/data/key").by(Actor::Anonymous).header("x-amz-meta-a", "secret")).await;
    assert!(!anonymous.text().contains("secret"));
    assert_eq!(anonymous.element("StringToSign"), None);
    let known = bench.send(Send::new("GET", "/data/key").by(Actor::Impostor)).await;
    assert!(known.element("StringToSign").is_some() && known.element("CanonicalRequest").is_some());
}
