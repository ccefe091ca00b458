//! A chunked body off a real socket, through the whole of the S3 upstream: the double says 200 and then whatever the
//! input says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Runtime};

use crypt_keeper::base::{BucketName, Clock, ObjectKey, SecretText};
use crypt_keeper::upstream::s3::{
    Addressing, CredentialsSource, Endpoint, PayloadMode, S3Settings, S3Upstream, StaticCredentials, answers,
};
use crypt_keeper::upstream::{UploadRef, Upstream as _, UpstreamEtag, UpstreamUploadId, WriteCondition};

use super::Outcome;

/// What CompleteMultipartUpload is answered, but for the body. That request is not sent again when its answer breaks off,
/// so no input waits for a second one.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
/// What everything after it is answered.
const REFUSAL: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

static DOUBLE: Mutex<Option<Double>> = Mutex::new(None);

/// An upstream, and who answers it.
struct Double {
    runtime: Runtime,
    upstream: S3Upstream,
    upload: UploadRef,
    body: Arc<Mutex<Option<Vec<u8>>>>,
}

/// The body of an answer: what is read out of its chunks is in them, and one that is cut is never whole.
pub(super) fn chunked(input: &[u8]) -> Outcome {
    let mut double = DOUBLE.lock().unwrap_or_else(PoisonError::into_inner);
    let Double { runtime, upstream, upload, body } = double.get_or_insert_with(Double::start);
    *body.lock().unwrap_or_else(PoisonError::into_inner) = Some(input.to_vec());
    let parts = [(1, UpstreamEtag("e1".into()))];
    let completing = upstream.complete_multipart(upload, &parts, WriteCondition::None);
    let Ok(read) = runtime.block_on(completing) else { return Outcome::Refused };
    let body = unchunked(input).expect("what was taken for a whole body is one");
    assert_eq!(read.etag, answers::completed(&body).expect("what was read is there"));
    Outcome::Accepted
}

impl Double {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let body: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
        let answered = Arc::clone(&body);
        thread::spawn(move || answer(&listener, &answered));
        let settings = S3Settings {
            endpoint: Endpoint::parse(&endpoint).expect("an endpoint"),
            region: S3Settings::DEFAULT_REGION.to_owned(),
            addressing: Addressing::Path,
            credentials: CredentialsSource::Static(StaticCredentials {
                access_key_id: "AKIAUPSTREAM".to_owned(),
                secret_access_key: SecretText::new("a secret of the double".to_owned()),
                session_token: None,
            }),
            ca_file: None,
            connect_timeout: S3Settings::DEFAULT_CONNECT_TIMEOUT,
            idle_timeout: S3Settings::DEFAULT_IDLE_TIMEOUT,
            max_idle_connections: 0,
            payload: PayloadMode::Unsigned,
        };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let upstream = runtime.block_on(S3Upstream::open(settings, Clock::System)).expect("settings that hold");
        let upload = UploadRef {
            bucket: BucketName::parse("bucket").expect("a name"),
            key: ObjectKey::parse("key").expect("a key"),
            id: UpstreamUploadId("upload".into()),
        };
        Self { runtime, upstream, upload, body }
    }
}

/// Answers the first connection of each input with it, the others with a refusal, and closes them.
fn answer(listener: &TcpListener, body: &Mutex<Option<Vec<u8>>>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = body.map_or(REFUSAL.to_vec(), |body| [HEAD, &body].concat());
        // The client may know enough before the end and be gone: that is its right.
        let _ = heard(&mut stream).and_then(|()| stream.write_all(&answer));
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// Reads a request: a head, and the list of parts where there is one.
fn heard(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    let end = |head: &[u8]| if head.starts_with(b"POST") { "</CompleteMultipartUpload>" } else { "\r\n\r\n" };
    while !head.ends_with(end(&head).as_bytes()) {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(())
}

/// RFC 9112, section 7.1, by itself: the data of the chunks, where there is a last one and the end of the trailers.
fn unchunked(mut wire: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let size = line(&mut wire)?.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?.trim(), 16).ok()?;
        if size == 0 {
            while !line(&mut wire)?.is_empty() {}
            return Some(data);
        }
        data.extend_from_slice(wire.get(..size)?);
        wire = wire.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

fn line<'a>(wire: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = wire.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &wire[..end];
    *wire = &wire[end + 2..];
    Some(line)
}
