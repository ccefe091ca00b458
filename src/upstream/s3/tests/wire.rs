//! Requests as they stand on the wire, and their signatures checked by the verifier that we hold clients to.

use http::Request as HttpRequest;

use super::double::Act::Hear;
use super::double::{Double, FACTS, answer, bucket, it, key, settings, stored};
use crate::base::{BucketName, Clock, ObjectKey, SecretText};
use crate::sigv4::testing::{ACCESS_KEY_ID, NOW, SECRET};
use crate::sigv4::{AuthKind, RegionPolicy, SigningKey};
use crate::upstream::s3::client::Client;
use crate::upstream::s3::{Addressing, CredentialsSource, S3Settings, S3Upstream, StaticCredentials};
use crate::upstream::suite::Bytes;
use crate::upstream::{
    ListRequest, ObjectRef, PutBody, StoredRange, UploadRef, Upstream, UpstreamEtag, UpstreamUploadId, VersionId,
    WriteCondition,
};

/// Checks the signature over a head exactly as it came, and returns its path and query.
fn verified(head: &str) -> String {
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().expect("a line").split(' ');
    let (method, target) = (first.next().expect("a method"), first.next().expect("a target"));
    let mut request = HttpRequest::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let Ok(AuthKind::Header(claim)) = AuthKind::of(&parts) else { panic!("no claim in {head}") };
    let admitted = claim.admit(NOW, &RegionPolicy::Any).expect("timely");
    let key = SigningKey::derive(SECRET, admitted.credential().scope());
    assert!(admitted.verify(&key).is_ok(), "not as signed: {head}");
    target.to_owned()
}

/// The keys that URL libraries, gateways and signers change.
#[tokio::test]
async fn trap_keys_are_on_the_wire_as_signed() {
    for (name, path) in [
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("a%2Fb", "a%252Fb"),
        ("a+b", "a%2Bb"),
        ("a/../b", "a/../b"),
        ("..", ".."),
        ("./a", "./a"),
        ("a//b", "a//b"),
        ("/a", "/a"),
        ("//", "//"),
        ("a/", "a/"),
        ("~a-b_c.d", "~a-b_c.d"),
        ("!*'()", "%21%2A%27%28%29"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        (":@$,;", "%3A%40%24%2C%3B"),
        ("\u{e9}", "%C3%A9"),
        ("e\u{301}", "e%CC%81"),
        ("\u{1f511}", "%F0%9F%94%91"),
        ("\t\r\n\u{7f}", "%09%0D%0A%7F"),
        ("\\<\">`{|}^[]", "%5C%3C%22%3E%60%7B%7C%7D%5E%5B%5D"),
    ] {
        let double = Double::start([vec![Hear, answer(200, FACTS, ""), Hear, stored()]]).await;
        let upstream = double.upstream().await;
        let key = ObjectKey::parse(name).expect("a key");
        upstream.head_object(&ObjectRef::current(&bucket(), &key)).await.expect("a HEAD");
        let body = PutBody { stored_bytes: 0, source: &mut Bytes::new(b"") };
        let tags = vec![("k +".to_owned(), "\u{e9}&=".to_owned())];
        upstream.put_object(&bucket(), &key, body, WriteCondition::None, &tags).await.expect("a PUT");
        for request in double.requests() {
            assert_eq!(verified(&request.head), format!("/bucket/{path}"), "{name:?}");
        }
    }
}

#[tokio::test]
async fn queries_and_headers_are_signed_as_they_are_sent() {
    let list = "<ListBucketResult/>";
    let copy = "<CopyPartResult><ETag>\"e\"</ETag></CopyPartResult>";
    let double =
        Double::start([vec![Hear, answer(200, "", list), Hear, answer(200, FACTS, ""), Hear, answer(200, "", copy)]])
            .await;
    let upstream = double.upstream().await;
    let request = ListRequest {
        prefix: "a b/+%~".to_owned(),
        delimiter: Some("/".to_owned()),
        after: Some("a b/+%~\u{e9}".to_owned()),
        max_entries: 7,
    };
    upstream.list_objects(&bucket(), &request).await.expect("a page");
    let version = Some(VersionId("v+/=".into()));
    let source =
        ObjectRef { version, ..ObjectRef::current(&bucket(), &ObjectKey::parse("a +%/\u{e9}").expect("a key")) };
    upstream.head_object(&source).await.expect("a HEAD");
    let upload = UploadRef { bucket: bucket(), key: key(), id: UpstreamUploadId("id+/=&".into()) };
    let (range, pin) = (StoredRange::Slice { offset: 5, len: 10 }, UpstreamEtag("e".into()));
    upstream.upload_part_copy(&upload, 3, &source, range, Some(&pin)).await.expect("a copy");
    let heads: Vec<String> = double.requests().into_iter().map(|request| request.head).collect();
    assert_eq!(
        heads.iter().map(|head| verified(head)).collect::<Vec<_>>(),
        [
            "/bucket?list-type=2&encoding-type=url&max-keys=7&prefix=a%20b%2F%2B%25~&delimiter=%2F\
             &start-after=a%20b%2F%2B%25~%C3%A9",
            "/bucket/a%20%2B%25/%C3%A9?versionId=v%2B%2F%3D",
            "/bucket/key?uploadId=id%2B%2F%3D%26&partNumber=3",
        ]
    );
    for line in [
        "x-amz-copy-source: /bucket/a%20%2B%25/%C3%A9?versionId=v%2B%2F%3D",
        "x-amz-copy-source-range: bytes=5-14",
        "x-amz-copy-source-if-match: \"e\"",
    ] {
        assert!(heads[2].contains(&format!("{line}\r\n")), "{line} is not in {}", heads[2]);
    }
}

/// An upstream whose hosts are all at the double.
async fn at(double: &Double, settings: S3Settings) -> S3Upstream {
    let client = Client::open_at(settings, Clock::manual(NOW), Some(double.address)).await.expect("settings that hold");
    let mut upstream = double.upstream().await;
    upstream.client = client.into();
    upstream
}

#[tokio::test]
async fn a_virtual_host_names_the_bucket() {
    let (found, there) = (answer(200, FACTS, ""), answer(200, "", ""));
    // One connection per host.
    let double = Double::start([vec![Hear, found, Hear, there.clone()], vec![Hear, there]]).await;
    let mut settings = settings("http://s3.example.test:8080");
    settings.addressing = Addressing::VirtualHost;
    let upstream = at(&double, settings).await;
    upstream.head_object(&it()).await.expect("a HEAD");
    upstream.head_bucket(&bucket()).await.expect("a HEAD");
    upstream.head_bucket(&BucketName::parse("with.dots").expect("a name")).await.expect("a HEAD");
    let expected = [("/key", "bucket"), ("/", "bucket"), ("/", "with.dots")];
    for (request, (path, bucket)) in double.requests().iter().zip(expected) {
        assert_eq!(verified(&request.head), path);
        assert!(request.head.contains(&format!("\r\nhost: {bucket}.s3.example.test:8080\r\n")), "{}", request.head);
    }
}

#[tokio::test]
async fn a_session_token_is_sent_and_signed() {
    let double = Double::start([vec![Hear, answer(200, FACTS, "")]]).await;
    let mut settings = double.settings();
    settings.credentials = CredentialsSource::Static(StaticCredentials {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SecretText::new(SECRET.to_owned()),
        session_token: Some(SecretText::new("tok/en+=".to_owned())),
    });
    super::double::open(settings).await.head_object(&it()).await.expect("a HEAD");
    let head = &double.requests()[0].head;
    assert!(head.contains("x-amz-security-token: tok/en+=\r\n") && head.contains(";x-amz-security-token"), "{head}");
    assert!(!head.contains(SECRET));
}
