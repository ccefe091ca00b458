//! Clients and upstreams that stand still, break off or go away: nothing piles up, nothing half-written stays, and no
//! answer ends cleanly that is not whole.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{sleep, timeout};

use super::bench::{Bench, Send};
use crate::upstream;
use crate::upstream::liar::{HALF_WAY_BYTES, Lie};

const FRAME_BYTES: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// Files of the local upstream that hold or held bodies.
fn blobs(bench: &Bench) -> usize {
    fn files(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).expect("a directory").map(|entry| entry.expect("an entry").path());
        entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }
    files(&bench.data.path().join("objects/blobs"))
}

async fn until_blobs(bench: &Bench, count: usize) {
    let reached = async {
        while blobs(bench) != count {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{} blobs, not {count}", blobs(bench)));
}

type Streamed = StreamBody<stream::BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>>;

/// A PUT of `length` bytes whose client sends `frames` frames and then breaks off; `sent` counts what was asked for.
fn upload(target: &str, length: usize, frames: usize, sent: &Arc<AtomicUsize>) -> Request<Streamed> {
    let request = Send::new("PUT", target)
        .header("content-length", length.to_string())
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .request();
    let sent = Arc::clone(sent);
    let frames = stream::iter(0..=frames).map(move |at| {
        if at == frames {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        sent.fetch_add(FRAME_BYTES, Ordering::SeqCst);
        Ok(Frame::data(Bytes::from(vec![7; FRAME_BYTES])))
    });
    request.map(|_| StreamBody::new(frames.boxed()))
}

async fn begin_upload(bench: &Bench) -> String {
    let begun = bench.send(Send::new("POST", "/data/parts?uploads")).await.expect(200);
    begun.element("UploadId").expect("an id")
}

async fn assert_no_parts(bench: &Bench, id: &str) {
    let listed = bench.get(&format!("/data/parts?uploadId={id}")).await.expect(200);
    assert_eq!(listed.element("PartNumber"), None, "{}", listed.text());
}

#[tokio::test]
async fn upstream_that_dies_breaks_the_answer_off() {
    let bench = Bench::over(Lie::DiesHalfWay).await;
    bench.put("/data/key", vec![7; 2 << 20]).await.expect(200);
    let got = bench.get("/data/key").await;
    assert_eq!(got.status.as_u16(), 200, "the beginning was there");
    assert!(got.body.is_err(), "an answer that is not whole must not end cleanly");
    let range = bench.send(Send::new("GET", "/data/key").header("range", "bytes=1000000-1999999")).await;
    assert!(range.status.as_u16() == 206 && range.body.is_err());
    // What came before the end was verified, and is an answer of its own.
    let start = bench.send(Send::new("GET", "/data/key").header("range", "bytes=0-9")).await.expect(206);
    assert_eq!(start.bytes(), [7; 10]);
    let copied = Send::new("PUT", "/data/copy").header("x-amz-copy-source", "/data/key");
    assert_eq!(bench.send(copied).await.status.as_u16(), 503);
    bench.get("/data/copy").await.refused(404, "NoSuchKey");
}

/// The request is dropped, as hyper does when it notices that the client has gone.
#[tokio::test]
async fn client_that_goes_away_takes_its_upstream_request_along() {
    let bench = Bench::over(Lie::StopsReading).await;
    let id = begin_upload(&bench).await;
    for target in ["/data/key".to_owned(), format!("/data/parts?partNumber=1&uploadId={id}")] {
        let sent = Arc::new(AtomicUsize::new(0));
        let gateway = Arc::clone(&bench.gateway);
        let request = upload(&target, 1 << 30, 1 << 14, &sent);
        let under_way = tokio::spawn(async move { gateway.handle(request, super::bench::PEER).await });
        until_blobs(&bench, 1).await;
        under_way.abort();
        until_blobs(&bench, 0).await;
    }
    assert_no_parts(&bench, &id).await;
    bench.get("/data/key").await.refused(404, "NoSuchKey");
    let metrics = bench.gateway.parts.metrics.render().expect("text");
    assert!(metrics.contains("crypt_keeper_requests_in_flight 0\n"), "{metrics}");
}

#[tokio::test]
async fn body_that_breaks_off_leaves_no_object_and_no_part() {
    let bench = Bench::new().await;
    let id = begin_upload(&bench).await;
    for target in ["/data/key".to_owned(), format!("/data/parts?partNumber=1&uploadId={id}")] {
        let answer = bench.deliver(upload(&target, 10 << 20, 20, &Arc::default())).await;
        answer.refused(400, "IncompleteBody");
        until_blobs(&bench, 0).await;
    }
    assert_no_parts(&bench, &id).await;
    bench.get("/data/key").await.refused(404, "NoSuchKey");
}

/// Back-pressure: what an upstream does not take is not asked of the client.
#[tokio::test]
async fn upstream_that_reads_nothing_holds_a_fixed_number_of_bytes() {
    let bench = Bench::over(Lie::StopsReading).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let gateway = Arc::clone(&bench.gateway);
    let request = upload("/data/key", 1 << 30, 1 << 14, &sent);
    let under_way = tokio::spawn(async move { gateway.handle(request, super::bench::PEER).await });
    until_blobs(&bench, 1).await;
    sleep(Duration::from_millis(500)).await;
    let held = sent.load(Ordering::SeqCst);
    assert!(held >= HALF_WAY_BYTES, "it began: {held}");
    assert!(held <= HALF_WAY_BYTES + upstream::STREAM_BYTES + FRAME_BYTES, "{held} bytes were taken");
    under_way.abort();
    until_blobs(&bench, 0).await;
}

/// The other way: nothing is fetched that the client has not asked for.
#[tokio::test]
async fn client_that_reads_nothing_gets_one_frame_made() {
    let bench = Bench::over(Lie::DiesHalfWay).await;
    bench.put("/data/key", vec![7; 8 << 20]).await.expect(200);
    let mut answer = bench.begin(Send::new("GET", "/data/key").request()).await;
    sleep(Duration::from_millis(300)).await;
    // Had it read ahead, it would know by now, and have logged, that the upstream broke off.
    let first = answer.body_mut().frame().await.expect("a frame").expect("verified").into_data().expect("data");
    assert!(!first.is_empty() && first.len() <= HALF_WAY_BYTES);
    assert!(answer.into_body().collect().await.is_err());
}
