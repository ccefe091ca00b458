//! What is refused before it is looked at, and requests beyond the limit.

use http_body_util::BodyExt;

use super::bench::{Bench, Send};
use crate::base::Refusal;
use crate::gateway::GatewayLimits;

/// Issue 3, item 10: code, status, XML and request id for every failure, a line and a count too.
#[tokio::test]
async fn what_never_became_a_request_has_an_answer_of_s3() {
    let bench = Bench::without_buckets().await;
    for (refusal, status, code) in [
        (Refusal::Malformed, 400, "BadRequest"),
        (Refusal::HeadTooLarge, 400, "RequestHeaderSectionTooLarge"),
        (Refusal::HeadTimeout, 400, "RequestTimeout"),
        (Refusal::TwoLengths, 400, "InvalidRequest"),
        (Refusal::TooManyConnections, 503, "SlowDown"),
    ] {
        let answer = bench.refuse(refusal).await.refused(status, code);
        assert_eq!(answer.header("x-amz-request-id").map(str::to_owned), answer.element("RequestId"));
        assert_eq!(answer.header("x-amz-id-2").map(str::to_owned), answer.element("HostId"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
    let metrics = bench.gateway.parts.metrics.render().expect("text");
    for line in [
        "crypt_keeper_requests_total{operation=\"-\",status=\"400\"} 4",
        "crypt_keeper_requests_total{operation=\"-\",status=\"503\"} 1",
        "crypt_keeper_requests_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}

/// A request is under way until its answer is out, and the next one is told to come back, whoever asks.
#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_slow_down() {
    let limits = GatewayLimits { max_requests: 2, ..Bench::LIMITS };
    let bench = Bench::with_limits(limits).await;
    bench.send(Send::new("PUT", "/data")).await.expect(200);
    bench.put("/data/key", vec![7; 1 << 20]).await.expect(200);
    let first = bench.begin(Send::new("GET", "/data/key").request()).await;
    let second = bench.begin(Send::new("GET", "/data/key").request()).await;
    for request in ["PUT", "GET", "HEAD"] {
        let answer = bench.send(Send::new(request, "/data/key")).await;
        assert_eq!(answer.status.as_u16(), 503);
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(answer.header("x-amz-request-id").is_some());
        if request != "HEAD" {
            answer.refused(503, "SlowDown");
        }
    }
    // One goes out whole, the other's client goes away: both make room.
    assert_eq!(first.into_body().collect().await.expect("a body").to_bytes().len(), 1 << 20);
    bench.get("/data/key").await.expect(200);
    drop(second);
    let third = bench.begin(Send::new("GET", "/data/key").request()).await;
    bench.get("/data/key").await.expect(200);
    drop(third);
}
