//! Connections that do not come to stand, break or go silent, and services in trouble: what is tried again, how often,
//! and what is not.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::double::Act::{Close, Hear, Reset, Say, Take, Wait};
use super::double::{
    Act, Double, FACTS, IDLE_TIMEOUT, answer, assert_told, bucket, it, key, object, open, refusal, settings, stored,
};
use crate::upstream::s3::S3Upstream;
use crate::upstream::suite::{Bytes, noise, read_all};
use crate::upstream::{
    ListRequest, PutBody, StoredFacts, StoredRange, Tags, UploadRef, Upstream, UpstreamError, UpstreamEtag,
    UpstreamUploadId, WriteCondition,
};

/// More than one buffer holds.
const LONG: usize = 1 << 20;

async fn put(upstream: &S3Upstream, bytes: &[u8], condition: WriteCondition) -> Result<StoredFacts, UpstreamError> {
    let body = PutBody { stored_bytes: bytes.len() as u64, source: &mut Bytes::new(bytes) };
    upstream.put_object(&bucket(), &key(), body, condition, &Tags::new()).await
}

async fn get(upstream: &S3Upstream) -> Result<Vec<u8>, UpstreamError> {
    read_all(upstream.get_object(&it(), StoredRange::Whole, None).await?.body).await
}

#[tokio::test]
async fn a_refused_connection_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let upstream = open(settings(&format!("http://{address}"))).await;
    assert_told!(upstream.head_bucket(&bucket()).await, UpstreamError::Unavailable(_));
    assert_told!(put(&upstream, b"x", WriteCondition::Absent).await, UpstreamError::Unavailable(_));
}

#[tokio::test]
async fn a_handshake_that_hangs_is_left_after_the_connect_timeout() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca_file = dir.path().join("ca.pem");
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&ca_file, own.cert.pem()).expect("a file");
    let double = Double::start([vec![]]).await;
    let mut settings = settings(&format!("https://{}", double.address));
    settings.ca_file = Some(ca_file);
    let begun = Instant::now();
    assert_told!(open(settings).await.head_bucket(&bucket()).await, UpstreamError::Unavailable(_));
    assert_eq!(double.connections(), 1, "whoever waited that long waits no longer");
    assert!(begun.elapsed() < 10 * IDLE_TIMEOUT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_service_that_never_answers_is_left_after_the_idle_timeout() {
    for script in [vec![Hear], vec![Hear, Say("HTTP/1.1 200 OK\r\nETag".to_owned())]] {
        let double = Double::start([script]).await;
        let begun = Instant::now();
        assert_told!(get(&double.upstream().await).await, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 1);
        assert!(begun.elapsed() >= IDLE_TIMEOUT && begun.elapsed() < 10 * IDLE_TIMEOUT, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_slow_body_is_no_fault_and_a_silent_one_is() {
    let head = format!("HTTP/1.1 200 OK\r\n{FACTS}Content-Length: 8\r\n\r\n");
    let drip = || (0..8).flat_map(|_| [Wait(IDLE_TIMEOUT / 4), Say("x".to_owned())]);
    let slow = [Hear, Say(head.clone())].into_iter().chain(drip()).collect();
    let double = Double::start([slow, vec![Hear, Say(head), Say("xxx".to_owned())]]).await;
    let upstream = double.upstream().await;
    assert_eq!(get(&upstream).await.expect("twice the idle timeout in all"), b"xxxxxxxx");
    let second = double.upstream().await;
    assert_told!(get(&second).await, UpstreamError::Unavailable(_));
}

#[tokio::test]
async fn a_service_in_trouble_is_asked_again() {
    for status in [429, 500, 502, 503, 504] {
        let double = Double::start([vec![Hear, refusal(status, "InternalError")], vec![Hear, object("hello")]]).await;
        assert_eq!(get(&double.upstream().await).await.expect("the second answer"), b"hello", "{status}");
    }
    let html = answer(502, "Connection: close\r\nContent-Type: text/html\r\n", "<html><body>Bad gateway<br></html>");
    let double = Double::start([vec![Hear, html], vec![Hear, stored()]]).await;
    put(&double.upstream().await, b"x", WriteCondition::None).await.expect("a PUT out of memory, sent again");
    assert_eq!(double.requests().len(), 2);
}

#[tokio::test]
async fn a_storm_ends_in_an_error() {
    let double = Double::start(vec![vec![Hear, refusal(503, "SlowDown")]; 9]).await;
    assert_told!(get(&double.upstream().await).await, UpstreamError::Unavailable(_));
    assert_eq!(double.requests().len(), 4);
}

fn page() -> ListRequest {
    ListRequest { max_entries: 2, ..ListRequest::default() }
}

fn busy(headers: &str) -> Vec<Act> {
    vec![Hear, answer(503, &format!("Connection: close\r\n{headers}"), "<Error><Code>SlowDown</Code></Error>")]
}

#[tokio::test]
async fn a_busy_service_is_left_alone_for_as_long_as_it_says() {
    let date = |second| format!("Fri, 24 May 2013 00:00:{second:02} GMT");
    for headers in [
        "Retry-After: 1\r\n".to_owned(),
        // By its clock, which need not be ours.
        format!("Date: {}\r\nRetry-After: {}\r\n", date(40), date(41)),
        // It does not say what it takes the time for: by our clock, which stands at the first second of that day.
        format!("Retry-After: {}\r\n", date(1)),
    ] {
        let double = Double::start([busy(&headers), vec![Hear, object("hello")]]).await;
        let upstream = double.upstream().await;
        let begun = Instant::now();
        assert_eq!(get(&upstream).await.expect("the second answer"), b"hello", "{headers}");
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(2), "{headers}: {waited:?}");
    }
    // What may happen once only: a busy service has not done it.
    let double = Double::start([busy("Retry-After: 1\r\n"), vec![Hear, stored()]]).await;
    let begun = Instant::now();
    put(&double.upstream().await, b"x", WriteCondition::Absent).await.expect("a PUT");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_waits_long_for_a_busy_service() {
    for after in ["4", "86400", "99999999999999999999", "Fri, 24 May 2013 00:00:04 GMT"] {
        let headers = format!("Date: Fri, 24 May 2013 00:00:00 GMT\r\nRetry-After: {after}\r\n");
        let double = Double::start([busy(&headers), vec![Hear, object("hello")]]).await;
        let upstream = double.upstream().await;
        let begun = Instant::now();
        assert_told!(get(&upstream).await, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 1, "{after}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{after}: {:?}", begun.elapsed());
    }
    // What has passed, and what nobody understands, is waited for as if nothing had been said.
    for after in ["0", "Fri, 24 May 2012 00:00:00 GMT", "-5", "later"] {
        let double = Double::start([busy(&format!("Retry-After: {after}\r\n")), vec![Hear, object("hello")]]).await;
        let upstream = double.upstream().await;
        let begun = Instant::now();
        assert_eq!(get(&upstream).await.expect("the second answer"), b"hello", "{after}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{after}: {:?}", begun.elapsed());
    }
}

/// An answer says how a request ended only when all of it is there.
#[tokio::test]
async fn a_document_that_broke_off_is_asked_for_again() {
    let begun = |end| vec![Hear, Say("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<List".to_owned()), end];
    let whole = || vec![Hear, answer(200, "", "<ListBucketResult/>")];
    for end in [Close, Reset] {
        let double = Double::start([begun(end.clone()), begun(end.clone()), whole()]).await;
        double.upstream().await.list_objects(&bucket(), &page()).await.expect("the third answer");
        assert_eq!(double.requests().len(), 3);
        let tags = answer(200, "", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>");
        let double = Double::start([begun(end.clone()), vec![Hear, tags]]).await;
        let tags = double.upstream().await.get_tags(&it()).await.expect("tags");
        assert_eq!(tags, [("k".to_owned(), "v".to_owned())]);

        let double = Double::start(vec![begun(end.clone()); 9]).await;
        let refused = double.upstream().await.list_objects(&bucket(), &page()).await;
        assert_told!(refused, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 4);

        let upload = UploadRef { bucket: bucket(), key: key(), id: UpstreamUploadId("u".into()) };
        let parts = [(1, UpstreamEtag("e".into()))];
        let double = Double::start([begun(end), whole()]).await;
        let refused = double.upstream().await.complete_multipart(&upload, &parts, WriteCondition::None).await;
        assert_told!(refused, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 1, "it must not happen twice");
    }
    // Whoever waited that long already waits no longer, and what cannot be read will not be better.
    for end in [Wait(2 * IDLE_TIMEOUT), Say("x".repeat(495))] {
        let double = Double::start([begun(end), whole()]).await;
        assert!(double.upstream().await.list_objects(&bucket(), &page()).await.is_err());
        assert_eq!(double.requests().len(), 1);
    }
}

#[tokio::test]
async fn what_must_not_happen_twice_is_sent_again_only_when_it_did_not_happen() {
    let absent = || WriteCondition::Absent;
    for end in [refusal(500, "InternalError"), Reset, Close] {
        let double = Double::start([vec![Hear, end], vec![Hear, stored()]]).await;
        assert_told!(put(&double.upstream().await, b"x", absent()).await, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 1, "nobody knows whether it was carried out");
    }
    let double = Double::start([vec![Hear, refusal(503, "SlowDown")], vec![Hear, stored()]]).await;
    put(&double.upstream().await, b"x", absent()).await.expect("a busy service has not done it");
    let double = Double::start([vec![Hear, Reset], vec![Hear, stored()]]).await;
    put(&double.upstream().await, b"x", WriteCondition::None).await.expect("twice is like once");
    let double = Double::start([vec![Hear, refusal(429, "")], vec![Hear, stored()]]).await;
    put(&double.upstream().await, b"x", absent()).await.expect("whoever counts requests counts before they begin");
    let gateways = || answer(503, "Connection: close\r\n", "<html>Service unavailable</html>");
    let double = Double::start([vec![Hear, gateways()], vec![Hear, stored()]]).await;
    assert_told!(put(&double.upstream().await, b"x", absent()).await, UpstreamError::Unavailable(_));
    assert_eq!(double.requests().len(), 1, "the service may have done it before a gateway said that");
    let taken = vec![Hear, Say("HTTP/1.1 100 Continue\r\n\r\n".to_owned()), Take(LONG), stored()];
    let double = Double::start([vec![Hear, gateways()], taken]).await;
    put(&double.upstream().await, &noise(LONG, 1), absent()).await.expect("nothing of the body had gone out");

    let upload = UploadRef { bucket: bucket(), key: key(), id: UpstreamUploadId("u".into()) };
    let parts = [(1, UpstreamEtag("e".into()))];
    let double = Double::start([vec![Hear, refusal(500, "InternalError")]]).await;
    let refused = double.upstream().await.complete_multipart(&upload, &parts, WriteCondition::None).await;
    assert_told!(refused, UpstreamError::Unavailable(_));
    assert_eq!(double.requests().len(), 1);
}

fn used_then(second: Vec<Act>) -> Vec<Act> {
    [vec![Hear, object("first"), Hear], second].concat()
}

#[tokio::test]
async fn a_stale_connection_is_replaced_under_a_read() {
    for end in [Close, Reset] {
        let double = Double::start([used_then(vec![end]), vec![Hear, object("second")]]).await;
        let upstream = double.upstream().await;
        assert_eq!(get(&upstream).await.expect("a GET"), b"first");
        assert_eq!(get(&upstream).await.expect("a GET"), b"second");
        assert_eq!((double.requests().len(), double.connections()), (3, 2));
    }
}

#[tokio::test]
async fn a_stale_connection_is_told_under_a_write_that_must_not_happen_twice() {
    let double = Double::start([used_then(vec![Close]), vec![Hear, stored()]]).await;
    let upstream = double.upstream().await;
    get(&upstream).await.expect("a GET");
    assert_told!(put(&upstream, b"x", WriteCondition::Absent).await, UpstreamError::Unavailable(_));
    assert_eq!((double.requests().len(), double.connections()), (2, 1));
}

#[tokio::test]
async fn a_stale_connection_is_replaced_before_a_long_body_is_touched() {
    let bytes = noise(LONG, 1);
    let taken = vec![Hear, Say("HTTP/1.1 100 Continue\r\n\r\n".to_owned()), Take(LONG), stored()];
    for condition in [WriteCondition::None, WriteCondition::Absent] {
        let double = Double::start([used_then(vec![Close]), taken.clone()]).await;
        let upstream = double.upstream().await;
        get(&upstream).await.expect("a GET");
        put(&upstream, &bytes, condition).await.expect("on another connection");
        assert!(double.requests()[2].body == bytes);
    }
}

#[tokio::test]
async fn a_long_body_that_broke_off_is_not_sent_again() {
    let begun = |end| vec![Hear, Say("HTTP/1.1 100 Continue\r\n\r\n".to_owned()), Take(LONG / 2), end];
    for end in [Reset, Close, refusal(503, "SlowDown")] {
        let double = Double::start([begun(end), vec![Hear, stored()]]).await;
        let refused = put(&double.upstream().await, &noise(LONG, 1), WriteCondition::None).await;
        assert_told!(refused, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 1);
    }
}

/// A service that closes an idle connection is nobody's fault, also of a write that must not happen twice.
#[tokio::test]
async fn a_connection_that_was_closed_at_rest_is_not_used() {
    let double = Double::start([vec![Hear, object("x"), Close], vec![Hear, stored()]]).await;
    let upstream = double.upstream().await;
    get(&upstream).await.expect("a GET");
    tokio::time::sleep(Duration::from_millis(50)).await;
    put(&upstream, b"x", WriteCondition::Absent).await.expect("on another connection");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = Double::start([vec![Hear, object("elsewhere")]]).await;
    let location = format!("Location: http://{}/bucket/key\r\n", elsewhere.address);
    for status in [301, 302, 307, 308] {
        let to = answer(status, &location, "<Error><Code>TemporaryRedirect</Code></Error>");
        let double = Double::start([vec![Hear, to.clone(), Hear, to]]).await;
        let upstream = double.upstream().await;
        assert_told!(get(&upstream).await, UpstreamError::Broken(_));
        assert_told!(put(&upstream, &noise(LONG, 1), WriteCondition::None).await, UpstreamError::Broken(_));
    }
    assert_eq!(elsewhere.connections(), 0);
}
