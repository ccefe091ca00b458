//! Multipart uploads, from Create to Complete and what comes instead.

use super::bench::{Answer, Bench, Send};

const PART: usize = 5 << 20;

struct Upload<'a> {
    bench: &'a Bench,
    id: String,
}

impl<'a> Upload<'a> {
    async fn begin(bench: &'a Bench, headers: &[(&'static str, &str)]) -> Self {
        let mut send = Send::new("POST", "/data/key?uploads");
        for (name, value) in headers {
            send = send.header(name, *value);
        }
        let begun = bench.send(send).await.expect(200);
        Self { bench, id: begun.element("UploadId").expect("an id") }
    }

    fn target(&self, query: &str) -> String {
        format!("/data/key?{query}uploadId={}", self.id)
    }

    async fn part(&self, number: u32, body: Vec<u8>) -> Answer {
        self.part_with(number, body, &[]).await
    }

    async fn part_with(&self, number: u32, body: Vec<u8>, headers: &[(&'static str, &str)]) -> Answer {
        let target = self.target(&format!("partNumber={number}&"));
        let mut send = Send::new("PUT", &target).body(body);
        for (name, value) in headers {
            send = send.header(name, *value);
        }
        self.bench.send(send).await
    }

    async fn complete(&self, parts: &[(u32, &str)]) -> Answer {
        self.complete_with(parts, &[]).await
    }

    async fn complete_with(&self, parts: &[(u32, &str)], headers: &[(&'static str, &str)]) -> Answer {
        let listed: String = parts
            .iter()
            .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
            .collect();
        let target = self.target("");
        let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        let mut send = Send::new("POST", &target).body(document);
        for (name, value) in headers {
            send = send.header(name, *value);
        }
        self.bench.send(send).await
    }
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").expect("an ETag").to_owned()
}

#[tokio::test]
async fn parts_make_an_object() {
    let bench = Bench::new().await;
    let upload =
        Upload::begin(&bench, &[("content-type", "text/plain"), ("x-amz-meta-a", "b"), ("x-amz-tagging", "t=1")]).await;
    let (one, two) = (vec![1; PART], vec![2; 3]);
    let second = etag(&upload.part(7, two.clone()).await.expect(200));
    let first = etag(&upload.part(2, one.clone()).await.expect(200));
    let listed = bench.get(&upload.target("")).await.expect(200);
    assert!(listed.text().contains("<PartNumber>2</PartNumber>") && listed.text().contains("<Size>3</Size>"));
    let uploads = bench.get("/data?uploads").await.expect(200);
    assert_eq!(uploads.element("UploadId").as_deref(), Some(upload.id.as_str()));
    bench.get("/data/key").await.refused(404, "NoSuchKey");

    let done = upload.complete(&[(2, &first), (7, second.trim_matches('"'))]).await.expect(200);
    assert!(done.element("Location").expect("one").ends_with("/data/key"));
    let object_etag = done.element("ETag").expect("one").replace("&quot;", "\"");
    assert!(object_etag.ends_with("-2\""), "{object_etag}");
    let got = bench.get("/data/key").await.expect(200);
    assert!(got.bytes() == [one.clone(), two.clone()].concat());
    assert_eq!(got.header("etag"), Some(object_etag.as_str()));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert_eq!(got.header("x-amz-meta-a"), Some("b"));
    assert_eq!(got.header("x-amz-tagging-count"), Some("1"));
    assert_eq!(got.header("x-amz-mp-parts-count"), None, "only where a part was asked for");
    assert!(bench.get("/data").await.text().contains(&object_etag.replace('"', "&quot;")));

    // Complete again: the same answer. Anything else: the upload is gone.
    let again = upload.complete(&[(2, &first), (7, &second)]).await.expect(200);
    assert_eq!(again.element("ETag"), done.element("ETag"));
    upload.part(1, vec![0; 3]).await.refused(404, "NoSuchUpload");
    bench.get(&upload.target("")).await.refused(404, "NoSuchUpload");

    // Parts by the client's numbers.
    let part = bench.get("/data/key?partNumber=7").await.expect(206);
    assert_eq!(part.bytes(), &two[..]);
    assert_eq!(part.header("content-range"), Some("bytes 5242880-5242882/5242883"));
    assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
    let head = bench.send(Send::new("HEAD", "/data/key?partNumber=2")).await.expect(206);
    assert_eq!(head.header("content-length"), Some("5242880"));
    bench.get("/data/key?partNumber=1").await.refused(416, "InvalidPartNumber");
    bench
        .send(Send::new("GET", "/data/key?partNumber=2").header("range", "bytes=0-1"))
        .await
        .refused(400, "InvalidRequest");
    let across = bench.send(Send::new("GET", "/data/key").header("range", "bytes=5242879-5242880")).await.expect(206);
    assert_eq!(across.bytes(), [1, 2]);
}

#[tokio::test]
async fn lists_of_parts_that_are_wrong() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let small = etag(&upload.part(1, vec![1; 100]).await.expect(200));
    let other = etag(&upload.part(2, vec![2; 100]).await.expect(200));
    upload.complete(&[]).await.refused(400, "MalformedXML");
    upload.complete(&[(2, &other), (1, &small)]).await.refused(400, "InvalidPartOrder");
    let wrong = upload.complete(&[(1, &other)]).await.refused(400, "InvalidPart");
    assert_eq!(wrong.element("PartNumber").as_deref(), Some("1"));
    assert_eq!(wrong.element("UploadId").as_deref(), Some(upload.id.as_str()));
    assert_eq!(wrong.element("ETag").as_deref(), Some(other.trim_matches('"')));
    upload.complete(&[(3, &other)]).await.refused(400, "InvalidPart");
    let nonsense = upload.complete(&[(1, "nonsense")]).await.refused(400, "InvalidPart");
    assert_eq!(nonsense.element("ETag").as_deref(), Some("nonsense"));
    let tiny = upload.complete(&[(1, &small), (2, &other)]).await.refused(400, "EntityTooSmall");
    assert_eq!(tiny.element("ProposedSize").as_deref(), Some("100"));
    assert_eq!(tiny.element("MinSizeAllowed").as_deref(), Some("5242880"));
    assert_eq!(tiny.element("PartNumber").as_deref(), Some("1"));
    assert_eq!(tiny.element("ETag").as_deref(), Some(small.trim_matches('"')));
    let sized = upload.complete_with(&[(2, &other)], &[("x-amz-mp-object-size", "99")]).await;
    sized.refused(400, "InvalidRequest");
    let guarded = upload.complete_with(&[(2, &other)], &[("if-match", "\"x\"")]).await;
    guarded.refused(404, "NoSuchKey");
    bench.get("/data/key").await.refused(404, "NoSuchKey");
    upload.complete_with(&[(2, &other)], &[("x-amz-mp-object-size", "100"), ("if-none-match", "*")]).await.expect(200);
    assert_eq!(bench.get("/data/key").await.bytes(), &[2; 100]);
}

/// Over UNSIGNED-PAYLOAD it is all that binds the list of parts.
#[tokio::test]
async fn a_list_of_parts_must_have_its_content_md5() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let part = etag(&upload.part(1, b"hello".to_vec()).await.expect(200));
    let unsigned = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let other = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    upload.complete_with(&[(1, &part)], &[unsigned, other]).await.refused(400, "BadDigest");
    upload.complete_with(&[(1, &part)], &[unsigned, ("content-md5", "x")]).await.refused(400, "InvalidDigest");
    bench.get("/data/key").await.refused(404, "NoSuchKey");
    upload.complete_with(&[(1, &part)], &[unsigned]).await.expect(200);
}

#[tokio::test]
async fn a_part_that_was_sent_again_is_the_part() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    upload.part(1, vec![1; 10]).await.expect(200);
    let second = etag(&upload.part(1, vec![2; 10]).await.expect(200));
    upload.complete(&[(1, &second)]).await.expect(200);
    assert_eq!(bench.get("/data/key").await.bytes(), &[2; 10]);
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let part = etag(&upload.part(1, vec![1; 10]).await.expect(200));
    bench.send(Send::new("DELETE", &upload.target(""))).await.expect(204);
    bench.send(Send::new("DELETE", &upload.target(""))).await.refused(404, "NoSuchUpload");
    upload.part(2, vec![1; 10]).await.refused(404, "NoSuchUpload");
    upload.complete(&[(1, &part)]).await.refused(404, "NoSuchUpload");
    let listed = bench.get("/data?uploads").await.expect(200);
    assert_eq!(listed.element("UploadId"), None);
    bench.send(Send::new("DELETE", "/data")).await.expect(204);
}

#[tokio::test]
async fn an_upload_belongs_to_its_key() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let target = format!("/data/other?partNumber=1&uploadId={}", upload.id);
    bench.send(Send::new("PUT", &target).body("x")).await.refused(404, "NoSuchUpload");
}

#[tokio::test]
async fn checksums_of_parts_and_object() {
    let bench = Bench::new().await;
    let declared = [("x-amz-checksum-algorithm", "CRC32")];
    let upload = Upload::begin(&bench, &declared).await;
    let crc = [("x-amz-checksum-crc32", super::bodies::CRC32_OF_HELLO)];
    upload
        .part_with(1, b"hello".to_vec(), &[("x-amz-checksum-crc32c", "mnG7TA==")])
        .await
        .refused(400, "InvalidRequest");
    upload.part_with(1, b"jello".to_vec(), &crc).await.refused(400, "BadDigest");
    let part = upload.part_with(1, b"hello".to_vec(), &crc).await.expect(200);
    assert_eq!(part.header("x-amz-checksum-crc32"), Some(super::bodies::CRC32_OF_HELLO));
    let part = etag(&part);
    let listed = bench.get(&upload.target("")).await.expect(200);
    assert_eq!(listed.element("ChecksumCRC32").as_deref(), Some(super::bodies::CRC32_OF_HELLO));
    for listed in [listed, bench.get("/data?uploads").await.expect(200)] {
        assert_eq!(listed.element("ChecksumAlgorithm").as_deref(), Some("CRC32"));
        assert_eq!(listed.element("ChecksumType").as_deref(), Some("COMPOSITE"));
    }
    let wrong = upload.complete_with(&[(1, &part)], &[("x-amz-checksum-type", "FULL_OBJECT")]).await;
    wrong.refused(400, "InvalidRequest");
    let done = upload.complete(&[(1, &part)]).await.expect(200);
    let composite = done.element("ChecksumCRC32").expect("one");
    assert!(composite.ends_with("-1"), "{composite}");
    assert_eq!(done.element("ChecksumType").as_deref(), Some("COMPOSITE"));
    let asked = |target: &'static str| Send::new("GET", target).header("x-amz-checksum-mode", "ENABLED");
    let whole = bench.send(asked("/data/key")).await.expect(200);
    assert_eq!(whole.header("x-amz-checksum-crc32"), Some(composite.as_str()));
    let part = bench.send(asked("/data/key?partNumber=1")).await.expect(206);
    assert_eq!(part.header("x-amz-checksum-crc32"), Some(super::bodies::CRC32_OF_HELLO), "the part's own");
}

#[tokio::test]
async fn large_parts_out_of_a_large_object() {
    let bench = Bench::new().await;
    let source: Vec<u8> = (0..=255).cycle().take(2 * PART + 12_345).collect();
    bench.put("/data/source", source.clone()).await.expect(200);
    let upload = Upload::begin(&bench, &[]).await;
    let cut = PART + 17;
    let mut etags = Vec::new();
    for (number, range) in [(1, 0..cut), (2, cut..source.len())] {
        let target = upload.target(&format!("partNumber={number}&"));
        let copy = Send::new("PUT", &target)
            .header("x-amz-copy-source", "data/source")
            .header("x-amz-copy-source-range", format!("bytes={}-{}", range.start, range.end - 1));
        etags.push(bench.send(copy).await.expect(200).element("ETag").expect("one").replace("&quot;", "\""));
    }
    upload.complete(&[(1, &etags[0]), (2, &etags[1])]).await.expect(200);
    assert!(bench.get("/data/key").await.bytes() == source);
}

#[tokio::test]
async fn parts_out_of_objects() {
    let bench = Bench::new().await;
    let source: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    bench.put("/data/source", source.clone()).await.expect(200);
    let upload = Upload::begin(&bench, &[]).await;
    let copy = |range: Option<&str>, source: &str| {
        let target = upload.target("partNumber=1&");
        let source = source.to_owned();
        let range = range.map(str::to_owned);
        let bench = &bench;
        async move {
            let mut send = Send::new("PUT", &target).header("x-amz-copy-source", source);
            if let Some(range) = range {
                send = send.header("x-amz-copy-source-range", range);
            }
            bench.send(send).await
        }
    };
    copy(None, "data/none").await.refused(404, "NoSuchKey");
    copy(Some("bytes=0-70000"), "data/source").await.refused(400, "InvalidArgument");
    copy(Some("bytes=5-"), "data/source").await.refused(400, "InvalidArgument");
    copy(None, "data/source").await.expect(200);
    let copied = copy(Some("bytes=16383-40000"), "data/source").await.expect(200);
    let part = copied.element("ETag").expect("one").replace("&quot;", "\"");
    upload.complete(&[(1, &part)]).await.expect(200);
    assert!(bench.get("/data/key").await.bytes() == &source[16_383..=40_000]);
}

/// No client can send a checksum with a copy; the upload's is made all the same.
#[tokio::test]
async fn copied_parts_have_the_checksum_of_their_upload() {
    let bench = Bench::new().await;
    bench.put("/data/source", "hello").await.expect(200);
    let upload = Upload::begin(&bench, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    upload.part(1, b"hello".to_vec()).await.refused(400, "InvalidRequest");
    let target = upload.target("partNumber=1&");
    let copy = Send::new("PUT", &target).header("x-amz-copy-source", "data/source");
    let copied = bench.send(copy).await.expect(200);
    assert_eq!(copied.element("ChecksumCRC32").as_deref(), Some(super::bodies::CRC32_OF_HELLO));
    let part = copied.element("ETag").expect("one").replace("&quot;", "\"");
    let done = upload.complete(&[(1, &part)]).await.expect(200);
    assert_eq!(done.element("ChecksumType").as_deref(), Some("COMPOSITE"));
    assert_eq!(bench.get("/data/key").await.bytes(), b"hello");
}

#[tokio::test]
async fn empty_objects_are_sources_too() {
    let bench = Bench::new().await;
    bench.put("/data/empty", "").await.expect(200);
    let upload = Upload::begin(&bench, &[]).await;
    let target = upload.target("partNumber=1&");
    let copy = || Send::new("PUT", &target).header("x-amz-copy-source", "data/empty");
    let ranged = copy().header("x-amz-copy-source-range", "bytes=0-0");
    bench.send(ranged).await.refused(400, "InvalidArgument");
    let part = bench.send(copy()).await.expect(200).element("ETag").expect("one").replace("&quot;", "\"");
    assert_eq!(part, "\"d41d8cd98f00b204e9800998ecf8427e\"");
    upload.complete(&[(1, &part)]).await.expect(200);
    assert_eq!(bench.get("/data/key").await.expect(200).bytes(), b"");
}

/// No number is left above it for what the proxy adds.
#[tokio::test]
async fn part_number_ten_thousand() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let (one, last) = (vec![1; PART], vec![2; PART + 1]);
    let first = etag(&upload.part(9_999, one.clone()).await.expect(200));
    let second = etag(&upload.part(10_000, last.clone()).await.expect(200));
    upload.part(10_001, vec![3]).await.refused(400, "InvalidArgument");
    upload.complete(&[(9_999, &first), (10_000, &second)]).await.expect(200);
    assert!(bench.get("/data/key").await.bytes() == [one, last.clone()].concat());
    let part = bench.get("/data/key?partNumber=10000").await.expect(206);
    assert!(part.bytes() == last);
    assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
}

#[tokio::test]
async fn fewer_parts_then_a_failure_then_all() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let bodies = [vec![1; PART], vec![2; PART], vec![3; 3]];
    let mut tags = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        tags.push(etag(&upload.part(number, body.clone()).await.expect(200)));
    }
    bench.upstream.swallow_next_part();
    assert!(upload.complete(&[(1, &tags[0])]).await.status.is_server_error());
    bench.get("/data/key").await.refused(404, "NoSuchKey");
    let all = [(1, tags[0].as_str()), (2, tags[1].as_str()), (3, tags[2].as_str())];
    let done = upload.complete(&all).await.expect(200);
    assert!(bench.get("/data/key").await.bytes() == bodies.concat());
    assert_eq!(upload.complete(&all).await.expect(200).element("ETag"), done.element("ETag"));
    upload.complete(&all[..2]).await.refused(404, "NoSuchUpload");
    assert!(bench.get("/data/key").await.bytes() == bodies.concat());
}

/// The upstream did it and its answer was lost; the client asks again.
#[tokio::test]
async fn a_complete_whose_answer_was_lost() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let part = etag(&upload.part(1, vec![1; 10]).await.expect(200));
    bench.upstream.lose_answer_of("complete_multipart");
    assert!(upload.complete(&[(1, &part)]).await.status.is_server_error());
    upload.complete(&[(1, &part)]).await.expect(200);
    assert_eq!(bench.get("/data/key").await.bytes(), [1; 10]);
}

/// Two lists at once: one is the object, to the other the upload is over.
#[tokio::test]
async fn two_lists_at_once() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let first = etag(&upload.part(1, vec![1; PART]).await.expect(200));
    let second = etag(&upload.part(2, vec![2; 10]).await.expect(200));
    let (short, long) = ([(1, first.as_str())], [(1, first.as_str()), (2, second.as_str())]);
    let (one, two) = tokio::join!(upload.complete(&short), upload.complete(&long));
    let (expected, refused) = match one.status.as_u16() {
        200 => (vec![1; PART], two),
        _ => ([vec![1; PART], vec![2; 10]].concat(), one),
    };
    refused.refused(404, "NoSuchUpload");
    assert!(bench.get("/data/key").await.bytes() == expected);
}

/// Another attempt with the same bytes was cut off: the ETag that the client has is still the part's.
#[tokio::test]
async fn a_part_sent_again_whose_answer_was_lost() {
    let bench = Bench::new().await;
    let upload = Upload::begin(&bench, &[]).await;
    let part = etag(&upload.part(1, vec![1; PART]).await.expect(200));
    bench.upstream.lose_answer_of("upload_part");
    assert!(upload.part(1, vec![1; PART]).await.status.is_server_error());
    upload.complete(&[(1, &part)]).await.expect(200);
    assert!(bench.get("/data/key").await.bytes() == vec![1; PART]);
}
