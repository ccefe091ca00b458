//! A service that does what a script says, for what no real one does on demand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::base::{BucketName, Clock, ObjectKey, SecretText};
use crate::sigv4::testing::{ACCESS_KEY_ID, NOW, SECRET};
use crate::upstream::s3::{
    Addressing, CredentialsSource, Endpoint, PayloadMode, S3Settings, S3Upstream, StaticCredentials,
};
use crate::upstream::{Capabilities, ObjectRef, UpstreamError};

/// Short, so that tests are; long against what loopback takes.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_millis(400);
/// What errors of the double say and nobody must hear.
pub(super) const WORDS: &str = "words-of-the-service";

/// What the double does on a connection, in turn. After the last it waits for the end of the connection.
#[derive(Clone)]
pub(super) enum Act {
    /// Reads a request up to its body.
    Hear,
    /// Reads so many bytes of a body.
    Take(usize),
    /// Writes.
    Say(String),
    /// Does nothing for a while.
    Wait(Duration),
    /// Waits so long, and takes down whatever comes meanwhile as having come too early.
    Silence(Duration),
    /// Closes as one should.
    Close,
    /// Resets.
    Reset,
}

/// A request as the double heard it.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) early_bytes: usize,
}

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<Request>,
}

/// A scripted service on loopback.
pub(super) struct Double {
    pub(super) address: SocketAddr,
    log: Arc<Mutex<Log>>,
    _serving: JoinSet<()>,
}

impl Double {
    /// One script per connection, in the order in which they come; a connection without a script is closed.
    pub(super) async fn start(scripts: impl IntoIterator<Item = Vec<Act>>) -> Self {
        let mut scripts: VecDeque<Vec<Act>> = scripts.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let log: Arc<Mutex<Log>> = Arc::default();
        let mut serving = JoinSet::new();
        let seen = Arc::clone(&log);
        serving.spawn(async move {
            let mut playing = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                seen.lock().expect("a log").connections += 1;
                if let Some(script) = scripts.pop_front() {
                    playing.spawn(play(stream, script, Arc::clone(&seen)));
                }
            }
        });
        Self { address, log, _serving: serving }
    }

    pub(super) fn settings(&self) -> S3Settings {
        settings(&format!("http://{}", self.address))
    }

    pub(super) async fn upstream(&self) -> S3Upstream {
        open(self.settings()).await
    }

    pub(super) fn connections(&self) -> usize {
        self.log.lock().expect("a log").connections
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("a log").requests.clone()
    }
}

async fn play(mut stream: TcpStream, script: Vec<Act>, log: Arc<Mutex<Log>>) {
    let mut ahead = Vec::new();
    let mut request = 0;
    for act in script {
        match act {
            Act::Hear => {
                let end = loop {
                    if let Some(at) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                        break at + 4;
                    }
                    if !more(&mut stream, &mut ahead).await {
                        return;
                    }
                };
                let head = String::from_utf8(ahead.drain(..end).collect()).expect("a head is text");
                let mut log = log.lock().expect("a log");
                request = log.requests.len();
                log.requests.push(Request { head, ..Request::default() });
            }
            Act::Take(len) => {
                while ahead.len() < len && more(&mut stream, &mut ahead).await {}
                let taken: Vec<u8> = ahead.drain(..len.min(ahead.len())).collect();
                let complete = taken.len() == len;
                log.lock().expect("a log").requests[request].body.extend(taken);
                if !complete {
                    return;
                }
            }
            Act::Say(text) => {
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::Wait(time) => sleep(time).await,
            Act::Silence(time) => {
                let _ = timeout(time, more(&mut stream, &mut ahead)).await;
                log.lock().expect("a log").requests[request].early_bytes += ahead.len();
            }
            Act::Close => return,
            Act::Reset => {
                stream.set_zero_linger().expect("an option");
                return;
            }
        }
    }
    while more(&mut stream, &mut ahead).await {
        ahead.clear();
    }
}

async fn more(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(ahead).await, Ok(1..))
}

pub(super) fn settings(endpoint: &str) -> S3Settings {
    S3Settings {
        endpoint: Endpoint::parse(endpoint).expect("an endpoint"),
        region: "us-east-1".to_owned(),
        addressing: Addressing::Path,
        credentials: CredentialsSource::Static(StaticCredentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SecretText::new(SECRET.to_owned()),
            session_token: None,
        }),
        ca_file: None,
        connect_timeout: IDLE_TIMEOUT,
        idle_timeout: IDLE_TIMEOUT,
        max_idle_connections: 8,
        payload: PayloadMode::Unsigned,
    }
}

/// An upstream whose clock stands where AWS's examples are signed.
pub(super) async fn open(settings: S3Settings) -> S3Upstream {
    let upstream = S3Upstream::open(settings, Clock::manual(NOW)).await.expect("settings that hold");
    upstream.learn(Capabilities::ALL);
    upstream
}

/// An answer with a length.
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Act {
    Act::Say(format!("HTTP/1.1 {status} It Is\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// An error after which the connection ends.
pub(super) fn refusal(status: u16, code: &str) -> Act {
    let body = format!("<Error><Code>{code}</Code><Message>{WORDS}</Message><HostId>{WORDS}</HostId></Error>");
    answer(status, "Connection: close\r\n", &body)
}

/// What stands in an answer about an object.
pub(super) const FACTS: &str = "ETag: \"e1\"\r\nLast-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n";

/// An object.
pub(super) fn object(body: &str) -> Act {
    answer(200, FACTS, body)
}

/// The answer to a PUT.
pub(super) fn stored() -> Act {
    answer(200, "ETag: \"e1\"\r\n", "")
}

pub(super) fn bucket() -> BucketName {
    BucketName::parse("bucket").expect("a name")
}

pub(super) fn key() -> ObjectKey {
    ObjectKey::parse("key").expect("a key")
}

pub(super) fn it() -> ObjectRef {
    ObjectRef::current(&bucket(), &key())
}

/// The error, after a look at what it tells: nothing of the service's words, and nothing of ours that is secret.
pub(super) fn told<T>(result: Result<T, UpstreamError>) -> UpstreamError {
    let Err(error) = result else { panic!("accepted") };
    for text in [error.to_string(), format!("{error:?}")] {
        for secret in [ACCESS_KEY_ID, SECRET, "127.0.0.1", "Signature", "Credential=", WORDS] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    error
}

/// Asserts an error by pattern, and that it tells nothing.
macro_rules! assert_told {
    ($result:expr, $pattern:pat) => {
        match $crate::upstream::s3::tests::double::told($result) {
            $pattern => {}
            other => panic!("{other:?} instead of {}", stringify!($pattern)),
        }
    };
}
pub(super) use assert_told;
