//! Copies: both ends authorised, conditions on the source, what is kept and what is replaced.

use super::bench::{Actor, Bench, Send};

fn copy<'a>(target: &'a str, source: &str) -> Send<'a> {
    Send::new("PUT", target).header("x-amz-copy-source", source)
}

#[tokio::test]
async fn a_copy_keeps_everything_of_its_source() {
    let bench = Bench::new().await;
    let source = Send::new("PUT", "/data/a%2B%20b%3F")
        .header("content-type", "text/plain")
        .header("x-amz-meta-a", "b")
        .header("x-amz-tagging", "t=1")
        .header("x-amz-checksum-crc32", super::bodies::CRC32_OF_HELLO)
        .body("hello");
    bench.send(source).await.expect(200);
    for source in ["/data/a%2B%20b%3F", "data/a%2B%20b%3F", "data/a%2B%20b%3F?versionId=null"] {
        let copied = bench.send(copy("/data/copy", source)).await.expect(200);
        assert_eq!(copied.element("ETag").as_deref(), Some("&quot;5d41402abc4b2a76b9719d911017c592&quot;"));
        assert_eq!(copied.element("ChecksumCRC32").as_deref(), Some(super::bodies::CRC32_OF_HELLO));
        assert!(copied.element("LastModified").is_some());
    }
    let got = bench.get("/data/copy").await.expect(200);
    assert_eq!(got.bytes(), b"hello");
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert_eq!(got.header("x-amz-meta-a"), Some("b"));
    assert!(bench.get("/data/copy?tagging").await.text().contains("<Key>t</Key><Value>1</Value>"));
}

#[tokio::test]
async fn replace_replaces_all_headers() {
    let bench = Bench::new().await;
    let source = Send::new("PUT", "/data/key").header("content-type", "text/plain").header("x-amz-meta-a", "b");
    bench.send(source.header("x-amz-tagging", "t=1").body("hello")).await.expect(200);
    bench.send(copy("/data/key", "data/key")).await.refused(400, "InvalidRequest");
    let replaced = copy("/data/key", "data/key")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-tagging-directive", "REPLACE")
        .header("x-amz-tagging", "u=2")
        .header("x-amz-meta-c", "d")
        .header("cache-control", "no-store");
    bench.send(replaced).await.expect(200);
    let got = bench.get("/data/key").await.expect(200);
    assert_eq!(got.bytes(), b"hello");
    assert_eq!(got.header("x-amz-meta-a"), None);
    assert_eq!(got.header("x-amz-meta-c"), Some("d"));
    assert_eq!(got.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert!(bench.get("/data/key?tagging").await.text().contains("<Key>u</Key><Value>2</Value>"));
    let wrong = copy("/data/key", "data/key").header("x-amz-metadata-directive", "MERGE");
    bench.send(wrong).await.refused(400, "InvalidArgument");
}

#[tokio::test]
async fn sources_that_cannot_be_copied() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    for (source, status, code) in [
        ("data/none", 404, "NoSuchKey"),
        ("none/key", 404, "NoSuchBucket"),
        ("crypt-keeper-internal/key", 404, "NoSuchBucket"),
        ("data", 400, "InvalidArgument"),
        ("data/../data/key", 404, "NoSuchKey"),
        ("data/key?versionId=v1", 400, "InvalidArgument"),
        ("data/key?acl", 400, "InvalidArgument"),
        ("data/%zz", 400, "InvalidArgument"),
    ] {
        let answer = bench.send(copy("/data/copy", source)).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{source}");
    }
    bench.send(copy("/data/copy", "data/key").by(Actor::Stranger)).await.refused(403, "AccessDenied");
    bench.get("/data/copy").await.refused(404, "NoSuchKey");
}

#[tokio::test]
async fn conditions_on_the_source_and_the_destination() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    let (etag, other) = ("\"5d41402abc4b2a76b9719d911017c592\"", "\"00000000000000000000000000000000\"");
    for (name, value, status) in [
        ("x-amz-copy-source-if-match", etag, 200),
        ("x-amz-copy-source-if-match", other, 412),
        ("x-amz-copy-source-if-none-match", etag, 412),
        ("x-amz-copy-source-if-none-match", other, 200),
        ("x-amz-copy-source-if-modified-since", "Tue, 01 Jan 2019 00:00:00 GMT", 200),
        ("x-amz-copy-source-if-unmodified-since", "Tue, 01 Jan 2019 00:00:00 GMT", 412),
        ("if-none-match", "*", 412),
        ("if-match", etag, 200),
        ("if-match", other, 412),
    ] {
        bench.send(copy("/data/copy", "data/key")).await.expect(200);
        let answer = bench.send(copy("/data/copy", "data/key").header(name, value)).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}");
    }
}

#[tokio::test]
async fn another_checksum_is_computed_when_asked_for() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    let copied =
        bench.send(copy("/data/copy", "data/key").header("x-amz-checksum-algorithm", "CRC32")).await.expect(200);
    assert_eq!(copied.element("ChecksumCRC32").as_deref(), Some(super::bodies::CRC32_OF_HELLO));
    let shown = bench.send(Send::new("HEAD", "/data/copy").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!(shown.header("x-amz-checksum-crc32"), Some(super::bodies::CRC32_OF_HELLO));
}

const LARGE: usize = 6 << 20;

/// Inside a bucket the bytes stay where they are; a client cannot tell.
#[tokio::test]
async fn a_large_copy_moves_no_data() {
    let bench = Bench::new().await;
    let source = Send::new("PUT", "/data/key").header("content-type", "text/plain").header("x-amz-meta-a", "b");
    let put = bench.send(source.header("x-amz-tagging", "t=1").body(vec![7; LARGE])).await.expect(200);
    bench.upstream.take_bytes();
    let copied = bench.send(copy("/data/copy", "data/key")).await.expect(200);
    assert!(bench.upstream.take_bytes().0 < 1024);
    let etag = put.header("etag").expect("one");
    assert_eq!(copied.element("ETag").map(|etag| etag.replace("&quot;", "\"")).as_deref(), Some(etag));
    let got = bench.get("/data/copy").await.expect(200);
    assert!(got.bytes() == vec![7; LARGE]);
    for (name, value) in
        [("etag", etag), ("content-type", "text/plain"), ("x-amz-meta-a", "b"), ("x-amz-tagging-count", "1")]
    {
        assert_eq!(got.header(name), Some(value));
    }
    let replaced = copy("/data/key", "data/key").header("x-amz-metadata-directive", "REPLACE");
    bench.send(replaced.header("x-amz-meta-c", "d")).await.expect(200);
    assert!(bench.upstream.take_seen().contains(&"upload_part_copy"));
    let got = bench.get("/data/key").await.expect(200);
    assert!(got.bytes() == vec![7; LARGE]);
    assert_eq!((got.header("x-amz-meta-a"), got.header("x-amz-meta-c")), (None, Some("d")));
    let uploads = bench.get("/data?uploads").await.expect(200);
    assert_eq!(uploads.element("UploadId"), None, "a copy's upload is nobody's");

    bench.send(Send::new("PUT", "/other")).await.expect(200);
    bench.upstream.take_seen();
    bench.send(copy("/other/copy", "data/key")).await.expect(200);
    assert!(!bench.upstream.take_seen().contains(&"upload_part_copy"), "a bucket has keys of its own");
    assert!(bench.get("/other/copy").await.bytes() == vec![7; LARGE]);
}

/// Replaced while it is copied: what is there now is copied, whole, if the client wants that, too.
#[tokio::test]
async fn a_source_that_changes_is_copied_as_it_is_then() {
    let old_etag = {
        let bench = Bench::new().await;
        bench.put("/data/key", vec![1; LARGE]).await.expect(200).header("etag").expect("one").to_owned()
    };
    for (condition, status) in [(None, 200), (Some(old_etag.as_str()), 412)] {
        let bench = Bench::new().await;
        bench.put("/data/key", vec![1; LARGE]).await.expect(200);
        let pause = bench.upstream.pause_after("create_multipart");
        let mut request = copy("/data/copy", "data/key");
        if let Some(etag) = condition {
            request = request.header("x-amz-copy-source-if-match", etag);
        }
        let changing = async {
            pause.reached.notified().await;
            bench.put("/data/key", vec![2; LARGE + 1]).await.expect(200);
            pause.go_on.notify_one();
        };
        let (copied, ()) = tokio::join!(bench.send(request), changing);
        assert_eq!(copied.status.as_u16(), status, "{}", copied.text());
        match condition {
            None => assert!(bench.get("/data/copy").await.bytes() == vec![2; LARGE + 1]),
            Some(_) => drop(bench.get("/data/copy").await.refused(404, "NoSuchKey")),
        }
    }
}

/// The new source has tags; the caller's right to them was never asked for.
#[tokio::test]
async fn tags_that_came_meanwhile_are_not_copied_unasked() {
    let bench = Bench::new().await;
    bench.put("/data/key", vec![1; LARGE]).await.expect(200);
    let pause = bench.upstream.pause_after("create_multipart");
    let changing = async {
        pause.reached.notified().await;
        let tagged = Send::new("PUT", "/data/key").header("x-amz-tagging", "t=1").body(vec![2; LARGE]);
        bench.send(tagged).await.expect(200);
        pause.go_on.notify_one();
    };
    let (copied, ()) = tokio::join!(bench.send(copy("/data/copy", "data/key")), changing);
    copied.refused(409, "ConditionalRequestConflict");
    bench.get("/data/copy").await.refused(404, "NoSuchKey");
}
