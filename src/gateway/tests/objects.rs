//! Objects, one at a time.

use super::bench::{Actor, Bench, Send};

#[tokio::test]
async fn what_was_put_is_got() {
    let bench = Bench::new().await;
    let put = bench.put("/data/a%20b", "hello").await.expect(200);
    assert_eq!(put.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let got = bench.get("/data/a%20b").await.expect(200);
    assert_eq!(got.bytes(), b"hello");
    assert_eq!(got.header("etag"), put.header("etag"));
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let bench = Bench::new().await;
    bench.put("/data/key", "hello").await.expect(200);
    for actor in [Actor::Stranger, Actor::Anonymous] {
        bench.send(Send::new("GET", "/data/key").by(actor)).await.refused(403, "AccessDenied");
    }
    bench.send(Send::new("GET", "/data/key").by(Actor::Impostor)).await.refused(403, "SignatureDoesNotMatch");
}
