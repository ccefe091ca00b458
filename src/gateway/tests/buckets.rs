//! Buckets, listings, tags.

use super::bench::{Bench, Send};

#[tokio::test]
async fn a_buckets_life() {
    let bench = Bench::without_buckets().await;
    for bucket in ["/data", "/data/"] {
        bench.send(Send::new("HEAD", bucket)).await.expect(404);
    }
    let made = bench.send(Send::new("PUT", "/data/")).await.expect(200);
    assert_eq!(made.header("location"), Some("/data"));
    bench.send(Send::new("PUT", "/data")).await.expect(200);
    let head = bench.send(Send::new("HEAD", "/data/")).await.expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), Some("us-east-1"));
    let location = bench.get("/data?location").await.expect(200);
    assert!(
        location
            .text()
            .ends_with("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>")
    );
    assert_eq!(bench.get("/data?versioning").await.expect(200).element("Status"), None);
    assert_eq!(bench.get("/").await.expect(200).element("Name").as_deref(), Some("data"));
    bench.put("/data/key", "hello").await.expect(200);
    bench.send(Send::new("DELETE", "/data")).await.refused(409, "BucketNotEmpty");
    bench.send(Send::new("DELETE", "/data/key")).await.expect(204);
    bench.send(Send::new("DELETE", "/data")).await.expect(204);
    let gone = bench.get("/data").await.refused(404, "NoSuchBucket");
    assert_eq!(gone.element("BucketName").as_deref(), Some("data"));
}

#[tokio::test]
async fn names_and_locations_that_cannot_be() {
    let bench = Bench::without_buckets().await;
    bench.send(Send::new("PUT", "/A_b")).await.refused(400, "InvalidBucketName");
    bench.get("/A_b").await.refused(404, "NoSuchBucket");
    bench.send(Send::new("PUT", "/crypt-keeper-internal")).await.refused(409, "BucketAlreadyExists");
    bench.get("/crypt-keeper-internal").await.refused(404, "NoSuchBucket");
    let located = |region: &str| {
        let document = format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        Send::new("PUT", "/data").body(document)
    };
    bench.send(located("a region")).await.refused(400, "InvalidLocationConstraint");
    bench.send(Send::new("PUT", "/data").body("<Nonsense/>")).await.refused(400, "MalformedXML");
    bench.send(located("eu-central-1")).await.expect(200);
    assert!(bench.get("/data?location").await.text().contains(">eu-central-1<"));
}

#[tokio::test]
async fn what_we_do_not_do_is_refused_by_name() {
    let bench = Bench::new().await;
    for (method, target) in [
        ("GET", "/data?acl"),
        ("PUT", "/data?policy"),
        ("GET", "/data?versions"),
        ("GET", "/data/key?attributes"),
        ("POST", "/data/key?select&select-type=2"),
        ("PUT", "/data?replication"),
        ("GET", "/none?cors"),
    ] {
        bench.send(Send::new(method, target)).await.refused(501, "NotImplemented");
    }
    bench.send(Send::new("PUT", "/")).await.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn listings_say_what_head_says() {
    let bench = Bench::new().await;
    for key in ["a/1", "a/2", "b", "c%20d"] {
        bench.put(&format!("/data/{key}"), key).await.expect(200);
    }
    let listed = bench.get("/data?list-type=2&encoding-type=url").await.expect(200);
    for key in ["a/1", "a/2", "b", "c%20d"] {
        let head = bench.send(Send::new("HEAD", &format!("/data/{key}"))).await.expect(200);
        let (_, entry) = listed
            .text()
            .split_once(&format!("<Key>{key}</Key>"))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("listed");
        let entry = &entry[..entry.find("</Contents>").expect("an end")];
        let etag = head.header("etag").expect("an ETag").replace('"', "&quot;");
        assert!(entry.contains(&format!("<ETag>{etag}</ETag>")), "{entry}");
        assert!(entry.contains(&format!("<Size>{}</Size>", key.len())), "{entry}");
        assert!(entry.contains("<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"), "{entry}");
    }
    assert!(!listed.text().contains("<Owner>"));
    assert!(bench.get("/data?list-type=2&fetch-owner=true").await.text().contains("<Owner>"));
    assert!(bench.get("/data").await.text().contains("<Owner>"));
}

#[tokio::test]
async fn listings_in_pages() {
    let bench = Bench::new().await;
    for key in ["a/1", "a/2", "b", "c/1", "d"] {
        bench.put(&format!("/data/{key}"), key).await.expect(200);
    }
    let none = bench.get("/data?list-type=2&max-keys=0").await.expect(200);
    assert_eq!(none.element("KeyCount").as_deref(), Some("0"));
    assert_eq!(none.element("IsTruncated").as_deref(), Some("false"));

    let mut seen = Vec::new();
    let mut target = "/data?list-type=2&delimiter=/&max-keys=2".to_owned();
    loop {
        let page = bench.get(&target).await.expect(200);
        let text = page.text();
        for piece in text.split('<') {
            if let Some(key) = piece.strip_prefix("Key>").or_else(|| piece.strip_prefix("Prefix>")) {
                seen.push(key.to_owned());
            }
        }
        match page.element("NextContinuationToken") {
            Some(token) => target = format!("/data?list-type=2&delimiter=/&max-keys=2&continuation-token={token}"),
            None => break,
        }
    }
    seen.retain(|name| !name.is_empty());
    seen.sort();
    assert_eq!(seen, ["a/", "b", "c/", "d"]);

    // Version 1 names the next marker only with a delimiter.
    let v1 = bench.get("/data?max-keys=2").await.expect(200);
    assert_eq!((v1.element("IsTruncated").as_deref(), v1.element("NextMarker")), (Some("true"), None));
    let v1 = bench.get("/data?max-keys=1&delimiter=/").await.expect(200);
    assert_eq!(v1.element("NextMarker").as_deref(), Some("a/"));
    let after = bench.get("/data?max-keys=1&delimiter=/&marker=a/").await.expect(200);
    assert_eq!(after.element("Key").as_deref(), Some("b"));
    bench.get("/data?list-type=2&continuation-token=nonsense").await.refused(400, "InvalidArgument");
    bench.get("/data?max-keys=-1").await.refused(400, "InvalidArgument");
}

#[tokio::test]
async fn tags() {
    let bench = Bench::new().await;
    bench.send(Send::new("PUT", "/data/key").header("x-amz-tagging", "a=b&c=d+e").body("hello")).await.expect(200);
    assert_eq!(bench.get("/data/key").await.header("x-amz-tagging-count"), Some("2"));
    let tags = bench.get("/data/key?tagging").await.expect(200);
    assert!(tags.text().contains("<Key>c</Key><Value>d e</Value>"));
    bench.send(Send::new("DELETE", "/data/key?tagging")).await.expect(204);
    assert_eq!(bench.get("/data/key?tagging").await.expect(200).element("Tag"), None);
    assert_eq!(bench.get("/data/key").await.header("x-amz-tagging-count"), None);
    for (method, target) in [("GET", "/data/none?tagging"), ("DELETE", "/data/none?tagging")] {
        bench.send(Send::new(method, target)).await.refused(404, "NoSuchKey");
    }
}

#[tokio::test]
async fn many_deletes_in_one_request() {
    let bench = Bench::new().await;
    for key in ["a", "b", "c"] {
        bench.put(&format!("/data/{key}"), key).await.expect(200);
    }
    let delete = |document: &str| {
        let md5 = {
            let mut hasher = crate::hashing::Hasher::new(crate::hashing::DigestSet::none().with_md5());
            hasher.update(document.as_bytes());
            base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                hasher.finish().md5().expect("asked for").0,
            )
        };
        Send::new("POST", "/data?delete").header("content-md5", md5).body(document.as_bytes())
    };
    let answer = bench
        .send(delete(
            "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object>\
             <Object><Key>b</Key><VersionId>v1</VersionId></Object>\
             <Object><Key>c</Key><ETag>\"00000000000000000000000000000000\"</ETag></Object></Delete>",
        ))
        .await
        .expect(200);
    let text = answer.text();
    assert!(text.contains("<Deleted><Key>a</Key></Deleted><Deleted><Key>none</Key></Deleted>"), "{text}");
    assert!(text.contains("<Error><Key>b</Key><VersionId>v1</VersionId><Code>InvalidArgument</Code>"), "{text}");
    assert!(text.contains("<Error><Key>c</Key><Code>PreconditionFailed</Code>"), "{text}");
    bench.get("/data/a").await.refused(404, "NoSuchKey");
    bench.get("/data/b").await.expect(200);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>";
    let quiet = bench.send(delete(quiet)).await.expect(200);
    assert!(!quiet.text().contains("Deleted"));
    bench.get("/data/b").await.refused(404, "NoSuchKey");
    bench.send(delete("<Delete></Delete>")).await.refused(400, "MalformedXML");
}

#[tokio::test]
async fn virtual_hosts() {
    let bench = Bench::new().await;
    bench.send(Send::new("PUT", "/a//b").header("host", "data.s3.test").body("hello")).await.expect(200);
    assert_eq!(bench.get("/data/a//b").await.expect(200).bytes(), b"hello");
}

/// One bucket, one region: whoever asks, and however.
#[tokio::test]
async fn a_buckets_region_is_the_same_in_every_answer() {
    let bench = Bench::without_buckets().await;
    let asked =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    bench.send(Send::new("PUT", "/there").body(asked)).await.expect(200);
    let head = bench.send(Send::new("HEAD", "/there")).await.expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), Some("eu-west-1"));
    assert!(bench.get("/there?location").await.expect(200).text().contains(">eu-west-1<"));
    assert_eq!(bench.get("/?max-buckets=5").await.element("BucketRegion").as_deref(), Some("eu-west-1"));
    assert_eq!(bench.get("/?bucket-region=us-east-1").await.expect(200).element("Name"), None);
}
