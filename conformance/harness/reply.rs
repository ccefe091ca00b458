//! An answer as it came over the wire, and whether all of it came.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A server that says nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body had the end that its framing promised.
    pub(crate) complete: bool,
}

impl Reply {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element of this name.
    pub(crate) fn xml(&self, element: &str) -> Option<String> {
        self.xml_all(element).into_iter().next()
    }

    /// The texts of all elements of this name, in order.
    pub(crate) fn xml_all(&self, element: &str) -> Vec<String> {
        let (text, open, close) = (self.text(), format!("<{element}>"), format!("</{element}>"));
        let mut found = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(&open) {
            rest = &rest[at + open.len()..];
            let end = rest.find(&close).expect("an element that opens closes");
            found.push(unescape(&rest[..end]));
            rest = &rest[end + close.len()..];
        }
        found
    }

    /// Panics, with the answer, unless it has this status. For S3 errors, see [`Reply::assert_error`].
    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert!(self.complete, "the body broke off");
        self
    }

    /// Panics unless this is S3's error `code` with `status`, told with a request id.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) -> &Self {
        let told = self.xml("Code").unwrap_or_default();
        assert_eq!((self.status, told.as_str()), (status, code), "{}", self.text());
        assert_eq!(self.header("x-amz-request-id").map(str::to_owned), self.xml("RequestId"), "{}", self.text());
        self
    }
}

/// Sends `wire` and, with `hang_up`, closes our direction after it. `None` when the server closes without an answer.
pub(crate) fn exchange(address: &str, wire: &[u8], hang_up: bool) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    // An early refusal may close the connection while we write; its answer is still there to be read.
    if stream.write_all(wire).is_ok() && hang_up {
        stream.shutdown(Shutdown::Write).ok();
    }
    let mut received = Vec::new();
    let mut block = [0; 65536];
    let ended_well = loop {
        match stream.read(&mut block) {
            Ok(0) => break true,
            Ok(n) => received.extend_from_slice(&block[..n]),
            Err(error) => {
                let stuck = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(!stuck, "no answer, or no end of it, in {PATIENCE:?}");
                break false;
            }
        }
    };
    let is_head = wire.starts_with(b"HEAD ");
    parse(&received, is_head, ended_well)
}

fn parse(received: &[u8], is_head: bool, ended_well: bool) -> Option<Reply> {
    let head_end = received.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&received[..head_end]).expect("an answer's head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok()).expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &received[head_end + 4..];
    if status == 100 {
        return parse(rest, is_head, ended_well);
    }
    let value = |name: &str| headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
    let (body, complete) = if is_head || status == 304 || status == 204 {
        assert!(rest.is_empty(), "a body where none belongs");
        (Vec::new(), true)
    } else if value("transfer-encoding").is_some_and(|v| v == "chunked") {
        dechunk(rest)
    } else if let Some(length) = value("content-length") {
        let length: usize = length.parse().expect("a length");
        assert!(rest.len() <= length, "more body than promised");
        (rest.to_vec(), rest.len() == length)
    } else {
        (rest.to_vec(), ended_well)
    };
    Some(Reply { status, headers, body, complete })
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line_end) = rest.windows(2).position(|w| w == b"\r\n") else { return (body, false) };
        let size = std::str::from_utf8(&rest[..line_end]).expect("a chunk size is text");
        let size = usize::from_str_radix(size, 16).expect("a chunk size is hex");
        rest = &rest[line_end + 2..];
        if size == 0 {
            return (body, rest == b"\r\n");
        }
        if rest.len() < size + 2 {
            body.extend_from_slice(&rest[..rest.len().min(size)]);
            return (body, false);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&apos;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
