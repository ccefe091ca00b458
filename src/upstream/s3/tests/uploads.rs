//! Bodies on their way up: announced, refused in time, and never a part of them taken for the whole.

use std::time::{Duration, Instant};

use super::double::Act::{Hear, Say, Silence, Take, Wait};
use super::double::{Double, IDLE_TIMEOUT, answer, assert_told, bucket, key, refusal, stored};
use crate::upstream::s3::http::Idle;
use crate::upstream::s3::upload::ask_leave;
use crate::upstream::s3::{PayloadMode, S3Upstream};
use crate::upstream::suite::{Bytes, Untouched, noise};
use crate::upstream::{BodyAborted, BodySource, PutBody, StoredFacts, Tags, Upstream, UpstreamError, WriteCondition};

const LONG: usize = 1 << 20;

fn go_on() -> super::double::Act {
    Say("HTTP/1.1 100 Continue\r\n\r\n".to_owned())
}

async fn put(upstream: &S3Upstream, len: u64, source: &mut dyn BodySource) -> Result<StoredFacts, UpstreamError> {
    let body = PutBody { stored_bytes: len, source };
    upstream.put_object(&bucket(), &key(), body, WriteCondition::None, &Tags::new()).await
}

/// Bytes without an end, counted.
#[derive(Default)]
struct Endless {
    read: u64,
}

#[async_trait::async_trait]
impl BodySource for Endless {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        into.fill(7);
        self.read += into.len() as u64;
        tokio::task::yield_now().await;
        Ok(into.len())
    }
}

#[tokio::test]
async fn a_long_body_waits_for_leave_and_a_short_one_does_not() {
    let bytes = noise(LONG, 1);
    let waiting = vec![Hear, Silence(Duration::from_millis(200)), go_on(), Take(LONG), stored()];
    let double = Double::start([waiting, vec![Hear, Take(5), stored()]]).await;
    put(&double.upstream().await, LONG as u64, &mut Bytes::new(&bytes)).await.expect("a long one");
    put(&double.upstream().await, 5, &mut Bytes::new(b"short")).await.expect("a short one");
    let [long, short] = &double.requests()[..] else { panic!("other requests") };
    assert!(long.head.contains("expect: 100-continue\r\n") && long.head.contains("content-length: 1048576\r\n"));
    assert_eq!(long.early_bytes, 0);
    assert!(long.body == bytes);
    assert!(!short.head.contains("expect:"), "{}", short.head);
    assert_eq!(short.body, b"short");
}

#[tokio::test]
async fn a_service_that_never_says_continue_gets_the_body_all_the_same() {
    let bytes = noise(LONG, 1);
    let double = Double::start([vec![Hear, Take(LONG), stored()]]).await;
    let mut settings = double.settings();
    settings.idle_timeout = Duration::from_secs(5);
    let begun = Instant::now();
    let upstream = super::double::open(settings).await;
    put(&upstream, LONG as u64, &mut Bytes::new(&bytes)).await.expect("a PUT");
    assert!(begun.elapsed() >= Duration::from_millis(900) && begun.elapsed() < Duration::from_secs(4));
    assert!(double.requests()[0].body == bytes);
}

/// Bytes that are lost when a read is dropped half-way.
struct Halting<'a> {
    rest: &'a [u8],
}

#[async_trait::async_trait]
impl BodySource for Halting<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let (now, rest) = self.rest.split_at(self.rest.len().min(into.len()).min(1 << 16));
        self.rest = rest;
        tokio::time::sleep(Duration::from_millis(10)).await;
        into[..now.len()].copy_from_slice(now);
        Ok(now.len())
    }
}

#[tokio::test]
async fn a_leave_to_go_on_that_comes_late_costs_nothing_of_the_body() {
    let bytes = noise(LONG, 1);
    let late = vec![Hear, go_on(), Take(1), go_on(), Take(LONG / 2), go_on(), Take(LONG / 2 - 1), stored()];
    let double = Double::start([late]).await;
    put(&double.upstream().await, LONG as u64, &mut Halting { rest: &bytes }).await.expect("a PUT");
    assert!(double.requests()[0].body == bytes);
}

#[tokio::test]
async fn a_refusal_before_the_body_costs_no_byte_of_it() {
    let double = Double::start([vec![Hear, refusal(412, "PreconditionFailed")]]).await;
    let refused = put(&double.upstream().await, 1 << 30, &mut Untouched).await;
    assert_told!(refused, UpstreamError::PreconditionFailed);
}

/// The service answers in the middle of a body and reads no more: we hear it, and stop.
#[tokio::test]
async fn a_refusal_in_the_middle_of_a_body_is_heard() {
    for (end, expected) in [(refusal(507, "XMinioStorageFull"), "full"), (refusal(403, "AccessDenied"), "unavailable")]
    {
        let double = Double::start([vec![Hear, go_on(), Take(LONG), end]]).await;
        let mut source = Endless::default();
        let refused = super::double::told(put(&double.upstream().await, 5 << 30, &mut source).await);
        assert!(refused.to_string().contains(expected), "{refused}");
        assert!(source.read < 64 << 20, "{} bytes were read", source.read);
    }
}

#[tokio::test]
async fn success_before_the_end_of_a_body_is_no_success() {
    for script in [vec![Hear, stored()], vec![Hear, go_on(), Take(LONG), stored()]] {
        let double = Double::start([script]).await;
        let refused = put(&double.upstream().await, 5 << 30, &mut Endless::default()).await;
        assert_told!(refused, UpstreamError::Broken(_));
    }
}

/// Whatever is wrong with a body, the service never sees the end of it.
#[tokio::test]
async fn a_refused_body_never_reaches_its_end() {
    let bytes = noise(LONG, 1);
    for mode in [PayloadMode::Unsigned, PayloadMode::TrailerChecksum] {
        for (promised, mut source) in [
            (LONG, Bytes::then_refused(&bytes)),
            (LONG + 1, Bytes::new(&bytes)),
            (LONG - 1, Bytes::new(&bytes)),
            (LONG, Bytes::then_refused(&bytes[..LONG - 1])),
        ] {
            let double = Double::start([vec![Hear, go_on(), Take(2 * LONG), stored()]]).await;
            let mut settings = double.settings();
            settings.payload = mode;
            let upstream = super::double::open(settings).await;
            assert_told!(put(&upstream, promised as u64, &mut source).await, UpstreamError::Body(BodyAborted));
            tokio::time::sleep(Duration::from_millis(50)).await;
            let request = double.requests().remove(0);
            let (_, rest) = request.head.split_once("\r\ncontent-length: ").expect("an announced length");
            let announced: usize = rest.lines().next().and_then(|line| line.parse().ok()).expect("a number");
            assert!(announced >= promised && request.body.len() < announced, "{mode:?}: all of it went out");
        }
    }
    for (promised, mut source) in
        [(5, Bytes::then_refused(b"hello")), (6, Bytes::new(b"hello")), (4, Bytes::new(b"hello"))]
    {
        let double = Double::start([vec![Hear]]).await;
        assert_told!(put(&double.upstream().await, promised, &mut source).await, UpstreamError::Body(BodyAborted));
        assert_eq!(double.connections(), 0, "a short body is read before anything is sent");
    }
}

#[tokio::test]
async fn a_trailer_is_announced_and_sent() {
    let bytes = noise(LONG, 1);
    // Four runs of 0x40000 with their lines, and the end.
    let framed = LONG + 4 * "40000\r\n\r\n".len() + "0\r\nx-amz-checksum-crc64nvme:AAAAAAAAAAA=\r\n\r\n".len();
    let double = Double::start([vec![Hear, go_on(), Take(framed), stored()]]).await;
    let mut settings = double.settings();
    settings.payload = PayloadMode::TrailerChecksum;
    let upstream = super::double::open(settings).await;
    put(&upstream, LONG as u64, &mut Bytes::new(&bytes)).await.expect("a PUT");
    let request = double.requests().remove(0);
    for line in [
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer: x-amz-checksum-crc64nvme",
        "x-amz-decoded-content-length: 1048576",
        "content-encoding: aws-chunked",
        &format!("content-length: {framed}"),
    ] {
        assert!(request.head.contains(&format!("{line}\r\n")), "{line} is not in {}", request.head);
    }
    assert!(request.body.starts_with(b"40000\r\n") && request.body.ends_with(b"=\r\n\r\n"));
}

#[tokio::test]
async fn a_stored_object_needs_an_etag() {
    let double = Double::start([vec![Hear, Take(1), answer(200, "", "")]]).await;
    assert_told!(put(&double.upstream().await, 1, &mut Bytes::new(b"x")).await, UpstreamError::Broken(_));
}

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";

fn hints() -> super::double::Act {
    Say(HINTS.to_owned())
}

#[tokio::test]
async fn an_interim_answer_stops_no_body() {
    let bytes = noise(LONG, 1);
    let half = LONG / 2;
    let double =
        Double::start([vec![Hear, hints(), go_on(), Take(half), hints(), Take(half), hints(), stored()]]).await;
    put(&double.upstream().await, LONG as u64, &mut Halting { rest: &bytes }).await.expect("a PUT");
    assert!(double.requests()[0].body == bytes);
    // An answer right behind it, while the service reads no more.
    let refusal = match refusal(403, "AccessDenied") {
        Say(text) => Say(format!("{HINTS}{text}")),
        _ => panic!("not said"),
    };
    for before in [vec![Hear], vec![Hear, go_on(), Take(LONG)]] {
        let double = Double::start([[before, vec![refusal.clone(), Wait(Duration::from_secs(60))]].concat()]).await;
        let mut source = Endless::default();
        let refused = super::double::told(put(&double.upstream().await, 5 << 30, &mut source).await);
        assert!(refused.to_string().contains("AccessDenied"), "{refused}");
    }
}

#[tokio::test]
async fn interim_answers_without_an_end_are_refused() {
    let many = || Say(HINTS.repeat(101));
    let double = Double::start([vec![Hear, many(), answer(200, "", "")]]).await;
    assert_told!(double.upstream().await.head_bucket(&bucket()).await, UpstreamError::Broken(_));
    for before in [vec![Hear], vec![Hear, go_on(), Take(LONG)]] {
        let double = Double::start([[before, vec![many()]].concat()]).await;
        let refused = put(&double.upstream().await, 5 << 30, &mut Endless::default()).await;
        assert_told!(refused, UpstreamError::Broken(_));
    }
}

/// What comes before the head has gone out is no leave, and no reason to send the body without it.
#[tokio::test]
async fn a_body_never_goes_out_behind_half_a_head() {
    let double = Double::start([vec![go_on(), Hear, go_on()]]).await;
    let upstream = double.upstream().await;
    let mut lease = upstream.client.pool.lease(&"127.0.0.1".into(), Idle::No).await.expect("a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let head = "PUT /bucket/key HTTP/1.1\r\n\r\n";
    let leave = ask_leave(lease.connection(), head.as_bytes(), IDLE_TIMEOUT).await;
    assert!(matches!(leave, Ok(None)), "{leave:?}");
    assert_eq!(double.requests()[0].head, head);
}
