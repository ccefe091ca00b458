//! The listener with a toy service, spoken to byte by byte.

use std::io;
use std::net::Ipv4Addr;

use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::base::ShutdownTrigger;
use crate::base::shutdown::shutdown;

type ToyBody = BoxBody<Bytes, io::Error>;

mod pressure;

pub(super) const LIMITS: EdgeLimits = EdgeLimits {
    max_connections: 8,
    header_read_timeout: Duration::from_secs(5),
    idle_timeout: Duration::from_secs(5),
    drain_timeout: Duration::from_secs(5),
};
/// Longer than anything here takes, shorter than a test run that hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Toy {
    pub(super) address: SocketAddr,
    pub(super) metrics: Arc<Metrics>,
    trigger: ShutdownTrigger,
    serving: JoinHandle<Drained>,
}

impl Toy {
    fn start(limits: EdgeLimits) -> Self {
        Self::start_with(limits, None)
    }

    pub(super) fn start_with(limits: EdgeLimits, tls: Option<Tls>) -> Self {
        let reserved = Reserved::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = reserved.address();
        let (trigger, shutdown) = shutdown();
        let metrics = Arc::new(Metrics::new());
        let listener = reserved.listen().unwrap();
        let serving = tokio::spawn(serve(listener, tls, ToyService, limits, metrics.clone(), shutdown));
        Self { address, metrics, trigger, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut client = self.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }
}

#[derive(Clone)]
struct ToyService;

impl Service for ToyService {
    type Body = ToyBody;

    fn answer(
        &self,
        request: Request<Incoming>,
        _: SocketAddr,
    ) -> impl Future<Output = Response<ToyBody>> + Send + 'static {
        answer(request)
    }

    fn refuse(&self, refusal: Refusal, _: SocketAddr) -> Response<ToyBody> {
        let text = match refusal {
            Refusal::Malformed => "<malformed/>",
            Refusal::HeadTooLarge => "<large/>",
            Refusal::HeadTimeout => "<slow/>",
            Refusal::TwoLengths => "<lengths/>",
            Refusal::TooManyConnections => "<full/>",
        };
        let response = Response::builder().status(StatusCode::BAD_REQUEST).header("x-amz-request-id", "1");
        response.header("connection", "close").body(full(text)).unwrap()
    }
}

fn full(text: &'static str) -> ToyBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed()
}

fn pieces(pieces: Vec<Result<&'static str, io::Error>>) -> ToyBody {
    let frames = pieces.into_iter().map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))));
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

async fn answer(request: Request<Incoming>) -> Response<ToyBody> {
    let refused = || Err(io::Error::other("a tag did not match"));
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Response::new(full("slow"))
        }
        "/never" => std::future::pending().await,
        "/panic" => panic!("a bug"),
        "/broken" => Response::new(pieces(vec![Ok("begun"), refused()])),
        "/broken-sized" => {
            let mut response = Response::new(pieces(vec![Ok("begun"), refused()]));
            response.headers_mut().insert("content-length", http::HeaderValue::from_static("100"));
            response
        }
        "/refuse" => {
            let mut response = Response::new(full("refused"));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
        "/endless" => {
            static BLOCK: [u8; 65536] = [b'x'; 65536];
            let frames = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&BLOCK))));
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
        "/echo" => Response::new(request.into_body().map_err(io::Error::other).boxed()),
        _ => Response::new(full("hello")),
    }
}

/// All that comes until the connection ends, and how it ends.
async fn read_to_end(client: &mut TcpStream) -> (String, io::Result<()>) {
    let mut got = Vec::new();
    let ended = timeout(PATIENCE, client.read_to_end(&mut got)).await.expect("the connection ends").map(drop);
    (String::from_utf8_lossy(&got).into_owned(), ended)
}

async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        let byte = timeout(PATIENCE, client.read_u8()).await.expect("more comes");
        got.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&got))));
    }
    String::from_utf8(got).unwrap()
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let toy = Toy::start(LIMITS);
    let mut client = toy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(read_until(&mut client, "hello").await.starts_with("HTTP/1.1 200"));
    client.write_all(b"GET /refuse HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_until(&mut client, "refused").await.starts_with("HTTP/1.1 403"));
    assert!(toy.metrics.render().unwrap().contains("crypt_keeper_connections 1\n"));
}

/// A hundred is hyper's limit, and not S3's.
#[tokio::test]
async fn as_many_headers_as_metadata_can_have() {
    let toy = Toy::start(LIMITS);
    for (headers, status) in [(500, "HTTP/1.1 200"), (600, "HTTP/1.1 400")] {
        let lines: String = (0..headers).map(|at| format!("x-amz-meta-{at}:\r\n")).collect();
        let mut client = toy.send(&format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n")).await;
        let (got, _) = read_to_end(&mut client).await;
        assert!(got.starts_with(status), "{headers}: {got}");
    }
}

/// Issue 3, item 10: what hyper refuses by itself has the service's answer, whole, and nothing of hyper's.
#[tokio::test]
async fn what_is_no_request_is_refused_in_our_words() {
    let toy = Toy::start(LIMITS);
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    for (sent, answer) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01", "<malformed/>"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "<malformed/>"),
        ("hello\r\n\r\n", "<malformed/>"),
        ("GET / HTTP/1.1\r\nbad header: x\r\n\r\n", "<malformed/>"),
        ("GET / HTTP/1.1\r\nx: \0\r\n\r\n", "<malformed/>"),
        ("GET / HTTP/1.1\r\ncontent-length: 1, 2\r\n\r\n", "<malformed/>"),
        ("GET / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", "<malformed/>"),
        ("GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", "<malformed/>"),
        (long.as_str(), "<large/>"),
    ] {
        // First on a fresh connection, then behind a request that was answered.
        for before in ["", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
            let mut client = toy.send(before).await;
            if !before.is_empty() {
                read_until(&mut client, "hello").await;
            }
            let _ = client.write_all(sent.as_bytes()).await;
            let (got, ended) = read_to_end(&mut client).await;
            assert!(got.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{sent:.60}: {got}");
            assert!(got.ends_with(answer) && ended.is_ok(), "{sent:.60}: {got} {ended:?}");
            assert!(got.contains("x-amz-request-id: 1\r\n") && got.contains("connection: close\r\n"), "{got}");
            assert_eq!(got.matches("HTTP/1.1").count(), 1, "{got}");
        }
    }
}

/// Catalogue 2.6, the last line: both lengths are refused, in either order, and what follows is never a request.
#[tokio::test]
async fn two_lengths_are_refused_and_end_the_connection() {
    let toy = Toy::start(LIMITS);
    let (length, chunked) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
    let smuggled = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for before in
        ["", "PUT /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3;e=f\r\nabc\r\n0\r\nt: u\r\n\r\n"]
    {
        for lines in [[length, chunked].concat(), [chunked, length].concat()] {
            let mut client = toy.connect().await;
            let sent = format!("{before}PUT /echo HTTP/1.1\r\nhost: x\r\n{lines}\r\n5\r\nhello\r\n0\r\n\r\n{smuggled}");
            client.write_all(sent.as_bytes()).await.unwrap();
            let (got, _) = read_to_end(&mut client).await;
            assert!(got.ends_with("<lengths/>"), "{got}");
            let answers = if before.is_empty() { 1 } else { 2 };
            assert_eq!(got.matches("HTTP/1.1").count(), answers, "{got}");
        }
    }
}

/// Requests sent without waiting are answered in order, whatever frames their bodies and wherever the packets are cut.
#[tokio::test]
async fn pipelined_requests_are_told_apart() {
    let toy = Toy::start(LIMITS);
    let chunked = "PUT /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n@\r\n0\r\n\r\n";
    let sized = "PUT /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nsome";
    let last = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let wire = [sized, chunked, "\r\n", sized, chunked, last].concat();
    for step in [1, 7, 60, 1000] {
        let mut client = toy.connect().await;
        client.set_nodelay(true).unwrap();
        let (mut reading, mut writing) = client.split();
        let write = async {
            for piece in wire.as_bytes().chunks(step) {
                writing.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let mut got = String::new();
        let (read, ()) = tokio::join!(reading.read_to_string(&mut got), write);
        assert!(read.is_ok(), "{step}: {read:?} {got}");
        assert_eq!(got.matches("HTTP/1.1 200").count(), 5, "{step}: {got}");
        let bodies = [got.matches("some").count(), got.matches('@').count(), got.matches("hello").count()];
        assert_eq!(bodies, [2, 2, 1], "{step}: {got}");
    }
}

#[tokio::test]
async fn drain_finishes_what_is_in_flight_and_refuses_the_rest() {
    let toy = Toy::start(LIMITS);
    let mut idle = toy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut idle, "hello").await;
    let mut silent = toy.connect().await;
    let mut busy = toy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    toy.trigger.begin();
    let (got, ended) = read_to_end(&mut busy).await;
    assert!(got.ends_with("slow") && ended.is_ok(), "{got} {ended:?}");
    assert!(got.contains("connection: close"), "the client is told: {got}");
    assert_eq!(read_to_end(&mut idle).await.0, "");
    assert_eq!(read_to_end(&mut silent).await.0, "");
    assert_eq!(toy.serving.await.unwrap(), Drained { cut_off: 0 });
    assert!(TcpStream::connect(toy.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn drain_ends_in_time_and_cuts_off_with_a_reset() {
    let toy = Toy::start(EdgeLimits { drain_timeout: Duration::from_millis(200), ..LIMITS });
    let mut client = toy.send("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    toy.trigger.begin();
    assert_eq!(toy.serving.await.unwrap(), Drained { cut_off: 1 });
    assert!(begun.elapsed() < Duration::from_secs(3));
    let (got, ended) = read_to_end(&mut client).await;
    assert_eq!((got.as_str(), ended.unwrap_err().kind()), ("", io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn half_a_head_times_out() {
    let toy = Toy::start(EdgeLimits { header_read_timeout: Duration::from_millis(200), ..LIMITS });
    let mut client = toy.send("GET / HTTP/1.1\r\nhost:").await;
    let (got, ended) = read_to_end(&mut client).await;
    assert!(got.ends_with("<slow/>") && ended.is_ok(), "{got} {ended:?}");
}

#[tokio::test]
async fn idle_connection_is_closed_without_a_reset() {
    let toy = Toy::start(EdgeLimits { header_read_timeout: Duration::from_millis(200), ..LIMITS });
    let mut client = toy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (got, ended) = read_to_end(&mut client).await;
    assert!(got.ends_with("hello") && ended.is_ok(), "{got} {ended:?}");
}

#[tokio::test]
async fn oversized_head_is_refused() {
    let toy = Toy::start(LIMITS);
    let filler = "a".repeat(1000);
    let headers: String = (0..90).map(|i| format!("x-{i}: {filler}\r\n")).collect();
    let mut client = toy.connect().await;
    // The answer may come, and the connection end, before all of it is written.
    let _ = client.write_all(format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes()).await;
    let (got, _) = read_to_end(&mut client).await;
    assert!(got.starts_with("HTTP/1.1 400") && got.ends_with("<large/>"), "{got}");
}

/// Style 10: an answer that failed half-way never looks whole, however its length is told.
#[tokio::test]
async fn failed_body_resets_the_connection() {
    let toy = Toy::start(LIMITS);
    for request in [
        "GET /broken HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /broken-sized HTTP/1.1\r\nhost: x\r\n\r\n",
        // Here only the end of the connection says where the body ends.
        "GET /broken HTTP/1.0\r\n\r\n",
    ] {
        let mut client = toy.send(request).await;
        let (got, ended) = read_to_end(&mut client).await;
        assert_eq!(ended.expect_err(request).kind(), io::ErrorKind::ConnectionReset);
        assert!(!got.ends_with("0\r\n\r\n"), "no last chunk: {got}");
    }
}

#[tokio::test]
async fn panic_ends_one_connection_and_is_counted() {
    let toy = Toy::start(LIMITS);
    let mut bystander = toy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut client = toy.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(read_to_end(&mut client).await.1.is_err());
    read_until(&mut bystander, "slow").await;
    let text = toy.metrics.render().unwrap();
    assert!(text.contains("crypt_keeper_panics_total 1\n"), "{text}");
    assert!(text.contains("crypt_keeper_connections 1\n"), "the gauge does not drift: {text}");
}

#[tokio::test]
async fn half_closed_client_gets_its_answer() {
    let toy = Toy::start(LIMITS);
    let mut client = toy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.shutdown().await.unwrap();
    let (got, ended) = read_to_end(&mut client).await;
    assert!(got.ends_with("slow") && ended.is_ok(), "{got} {ended:?}");
}

#[tokio::test]
async fn body_that_breaks_off_is_an_error_of_the_body() {
    let toy = Toy::start(LIMITS);
    let mut client = toy.send("PUT /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").await;
    client.shutdown().await.unwrap();
    let (_, ended) = read_to_end(&mut client).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

/// Catalogue 2.11: the final 4xx arrives although the client is still sending, and reads only after.
#[tokio::test]
async fn early_answer_arrives_during_an_upload() {
    let toy = Toy::start(LIMITS);
    let mut client = toy.send("PUT /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 33554432\r\n\r\n").await;
    let block = [0; 65536];
    for _ in 0..512 {
        client.write_all(&block).await.expect("the body is taken, and thrown away");
    }
    assert!(read_until(&mut client, "refused").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn client_that_takes_nothing_is_dropped() {
    let toy = Toy::start(EdgeLimits { idle_timeout: Duration::from_millis(200), ..LIMITS });
    let _client = toy.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let closed = async {
        while !toy.metrics.render().unwrap().contains("crypt_keeper_connections 0\n")
            || !toy.metrics.render().unwrap().contains("crypt_keeper_connections_accepted_total 1\n")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, closed).await.expect("the connection is given up");
}

/// Clients can use a 503; those that wait in a queue cannot know for what.
#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let toy = Toy::start(EdgeLimits { max_connections: 1, ..LIMITS });
    let mut first = toy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut first, "hello").await;
    let mut second = toy.send("PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n").await;
    let (got, ended) = read_to_end(&mut second).await;
    assert!(got.ends_with("<full/>") && ended.is_ok(), "{got} {ended:?}");
    drop(first);
    let seated = async {
        loop {
            let mut third = toy.send("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
            if read_to_end(&mut third).await.0.ends_with("hello") {
                break;
            }
        }
    };
    timeout(PATIENCE, seated).await.expect("the first one's seat is free");
}

#[tokio::test]
async fn beyond_those_that_are_told_so_they_wait() {
    let toy = Toy::start(EdgeLimits { max_connections: 1, ..LIMITS });
    let mut first = toy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut first, "hello").await;
    let mut silent = Vec::new();
    for _ in 0..SURPLUS_CONNECTIONS {
        silent.push(toy.send("GET / HTTP/1.1\r\n").await);
    }
    let mut waiting = toy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(timeout(Duration::from_millis(300), waiting.read_u8()).await.is_err());
    drop((first, silent));
    let (got, _) = timeout(PATIENCE, async {
        waiting.shutdown().await.unwrap();
        read_to_end(&mut waiting).await
    })
    .await
    .unwrap();
    assert!(got.contains("HTTP/1.1"), "it got its turn: {got}");
}
