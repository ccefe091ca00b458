//! Bodies that lie: each is refused with its own code, and nothing is there afterwards.

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body::{Body, Frame};

use super::bench::{Bench, Send};

pub(super) const CRC32_OF_HELLO: &str = "NhCmhg==";
const MD5_OF_HELLO: &str = "XUFAKrxLKna5cZ2REBfFkg==";
const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A body in one chunk with its trailer, signed as STREAMING-UNSIGNED-PAYLOAD-TRAILER.
pub(super) fn unsigned_trailer<'a>(target: &'a str, body: &[u8], crc32: &str) -> Send<'a> {
    let framed = [
        format!("{:x}\r\n", body.len()).as_bytes(),
        body,
        format!("\r\n0\r\nx-amz-checksum-crc32:{crc32}\r\n\r\n").as_bytes(),
    ]
    .concat();
    framed_as(target, framed, body.len())
}

fn framed_as(target: &str, framed: Vec<u8>, decoded: usize) -> Send<'_> {
    Send::new("PUT", target)
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", decoded.to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body(framed)
}

fn put(name: &'static str, value: &str) -> Send<'static> {
    Send::new("PUT", "/data/key").body("hello").header(name, value)
}

#[tokio::test]
async fn what_is_declared_must_be_what_comes() {
    let bench = Bench::new().await;
    let wrong = BASE64.encode([7; 16]);
    for (send, code) in [
        (put("content-md5", &wrong), "BadDigest"),
        (put("content-md5", "nonsense"), "InvalidDigest"),
        (put("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest"),
        (put("x-amz-checksum-crc32c", "AAAAAA=="), "BadDigest"),
        (put("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="), "BadDigest"),
        (put("x-amz-checksum-sha1", &BASE64.encode([1; 20])), "BadDigest"),
        (put("x-amz-checksum-sha256", &BASE64.encode([1; 32])), "BadDigest"),
        (put("x-amz-checksum-crc32", "AAAA"), "InvalidRequest"),
        (put("x-amz-checksum-sha512", &BASE64.encode([1; 64])), "InvalidRequest"),
        (put("x-amz-content-sha256", &SHA256_OF_HELLO.replace('2', "3")), "XAmzContentSHA256Mismatch"),
    ] {
        bench.send(send).await.refused(400, code);
        bench.get("/data/key").await.refused(404, "NoSuchKey");
    }
    for (name, value) in [
        ("content-md5", MD5_OF_HELLO),
        ("x-amz-checksum-crc32", CRC32_OF_HELLO),
        ("x-amz-content-sha256", SHA256_OF_HELLO),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ] {
        bench.send(put(name, value)).await.expect(200);
    }
}

#[tokio::test]
async fn framed_bodies_must_be_sound_to_their_end() {
    let bench = Bench::new().await;
    let tail = format!("\r\n0\r\nx-amz-checksum-crc32:{CRC32_OF_HELLO}\r\n\r\n");
    for (framed, decoded, status, code) in [
        ("5\r\nhello".to_owned(), 5, 400, "IncompleteBody"),
        (format!("5\r\nhello{tail}"), 20, 400, "IncompleteBody"),
        (format!("5\r\nhello{tail}"), 2, 400, "IncompleteBody"),
        (String::new(), 5, 400, "IncompleteBody"),
        ("5\r\nhello\r\n0\r\n\r\n".to_owned(), 5, 400, "MalformedTrailerError"),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".to_owned(), 5, 400, "BadDigest"),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n".to_owned(), 5, 400, "InvalidRequest"),
        (format!("2\r\nhe\r\n3\r\nllo{tail}"), 5, 400, "InvalidChunkSizeError"),
        ("hello".to_owned(), 5, 400, "IncompleteBody"),
    ] {
        let answer = bench.send(framed_as("/data/key", framed.clone().into_bytes(), decoded)).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{framed:?} {decoded}");
        bench.get("/data/key").await.refused(404, "NoSuchKey");
    }
    let stored = bench.send(unsigned_trailer("/data/key", b"hello", CRC32_OF_HELLO)).await.expect(200);
    assert_eq!(stored.header("x-amz-checksum-crc32"), Some(CRC32_OF_HELLO));
    assert_eq!(bench.get("/data/key").await.expect(200).bytes(), b"hello");
}

#[tokio::test]
async fn a_body_of_another_length_is_no_object() {
    let bench = Bench::new().await;
    for length in ["3", "9"] {
        let answer = bench.send(put("content-length", length)).await;
        assert_eq!(answer.error(), (400, "IncompleteBody".to_owned()), "{length}");
        bench.get("/data/key").await.refused(404, "NoSuchKey");
    }
}

/// A body that must not be asked for: hyper would send `100 Continue`.
struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        panic!("the body was polled");
    }
}

#[tokio::test]
async fn what_can_be_refused_without_the_body_is() {
    let bench = Bench::new().await;
    bench.put("/data/there", "hello").await.expect(200);
    let table = [
        (Send::new("PUT", "/none/key"), 404, "NoSuchBucket"),
        (Send::new("PUT", "/data/key").by(super::bench::Actor::Stranger), 403, "AccessDenied"),
        (Send::new("PUT", "/data/key").by(super::bench::Actor::Impostor), 403, "SignatureDoesNotMatch"),
        (Send::new("PUT", "/data/key").header("x-amz-acl", "public-read"), 501, "NotImplemented"),
        (Send::new("PUT", "/data/key").header("content-md5", "x"), 400, "InvalidDigest"),
        (Send::new("PUT", "/data/key").header("if-match", "\"x\""), 404, "NoSuchKey"),
        (Send::new("PUT", "/data/there").header("if-none-match", "*"), 412, "PreconditionFailed"),
        (Send::new("PUT", "/data/key").header("content-length", "5368709121"), 400, "EntityTooLarge"),
        (Send::new("PUT", "/data/key?partNumber=1&uploadId=none"), 404, "NoSuchUpload"),
        (Send::new("PUT", "/data/key?partNumber=0&uploadId=none"), 400, "InvalidArgument"),
        (Send::new("POST", "/data?delete"), 400, "InvalidRequest"),
        (Send::new("PUT", "/data/key?acl"), 501, "NotImplemented"),
    ];
    for (at, (send, status, code)) in table.into_iter().enumerate() {
        let request = send.header("expect", "100-continue").request().map(|_| Untouchable);
        let answer = bench.deliver(request).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "row {at}: {}", answer.text());
    }
}

#[tokio::test]
async fn unknown_and_double_lengths_are_refused() {
    let bench = Bench::new().await;
    let mut request =
        Send::new("PUT", "/data/key").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("hello").request();
    request.headers_mut().insert("transfer-encoding", "chunked".parse().expect("a value"));
    bench.deliver(request).await.refused(400, "InvalidRequest");
    let send = Send::new("PUT", "/data/key")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .header("content-length", "none");
    bench.send(send).await.refused(411, "MissingContentLength");
}

#[tokio::test]
async fn unsigned_headers_that_would_change_the_request_are_refused() {
    let bench = Bench::new().await;
    bench.put("/data/source", "hello").await.expect(200);
    for (name, value) in [("x-amz-copy-source", "/data/source"), ("x-amz-meta-a", "b"), ("x-amz-tagging", "a=b")] {
        let mut request = Send::new("PUT", "/data/key").body("mine").request();
        request.headers_mut().insert(name, value.parse().expect("a value"));
        let answer = bench.deliver(request).await.refused(403, "AccessDenied");
        assert_eq!(answer.element("HeadersNotSigned").as_deref(), Some(name));
    }
    bench.get("/data/key").await.refused(404, "NoSuchKey");
}

#[tokio::test]
async fn small_documents_are_bounded_and_verified() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let tagging = |body: &str| Send::new("PUT", "/data/key?tagging").body(body.as_bytes());
    bench.send(tagging(tags).header("content-md5", MD5_OF_HELLO)).await.refused(400, "BadDigest");
    bench.send(tagging("<Tagging>")).await.refused(400, "MalformedXML");
    bench.send(tagging(&" ".repeat(100_000))).await.refused(400, "MaxMessageLengthExceeded");
    let forged = tagging(tags).header("x-amz-content-sha256", SHA256_OF_HELLO);
    bench.send(forged).await.refused(400, "XAmzContentSHA256Mismatch");
    bench.send(tagging(tags)).await.expect(200);
    assert_eq!(bench.get("/data/key").await.header("x-amz-tagging-count"), Some("1"));
}

/// hyper ignores `Expect` where there is no body, so the client gets a final answer in the place of `100 Continue`, and
/// aws-cli v1 misreads what comes next on that connection.
#[tokio::test]
async fn an_answer_in_the_place_of_100_continue_ends_the_connection() {
    let bench = Bench::new().await;
    let empty = || Send::new("PUT", "/data/empty").header("content-length", "0");
    let waited = bench.send(empty().header("expect", "100-continue")).await.expect(200);
    assert_eq!(waited.header("connection"), Some("close"));
    let plain = bench.send(empty()).await.expect(200);
    assert_eq!(plain.header("connection"), None);
    let refused = bench.send(put("expect", "100-continue").header("content-md5", "nonsense")).await;
    assert_eq!(refused.header("connection"), Some("close"), "refused before the body was asked for");
    let taken = bench.send(put("expect", "100-continue").header("content-length", "5")).await.expect(200);
    assert_eq!(taken.header("connection"), None);
}
