//! The load: one connection, one request after another.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::sign::{Signer, UNSIGNED};
use crate::tls::connected;
use crate::wire::{Wire, wrong};

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// Its address, and the Host header.
    pub(crate) address: SocketAddr,
    /// What TLS needs, where it speaks that.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// A body to send.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// None.
    Empty,
    /// Not signed.
    Unsigned(&'a [u8]),
    /// Signed by its SHA-256, in hex.
    Sha256(&'a [u8], &'a str),
    /// aws-chunked with a checksum in an unsigned trailer.
    Trailer {
        /// Chunks and trailer.
        framed: &'a [u8],
        /// How many bytes the chunks carry.
        decoded_bytes: usize,
    },
}

/// A request. Path and query are spelt as SigV4's canonical request has them.
pub(crate) struct Request<'a> {
    /// GET and so on.
    pub(crate) method: &'static str,
    /// `/bucket/key`.
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
    /// First and last byte.
    pub(crate) range: Option<(u64, u64)>,
    /// The body.
    pub(crate) payload: Payload<'a>,
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub(crate) const fn bare(method: &'static str, path: &'a str, query: &'a str) -> Self {
        Self { method, path, query, range: None, payload: Payload::Empty }
    }

    /// A PUT.
    pub(crate) const fn put(path: &'a str, payload: Payload<'a>) -> Self {
        Self { method: "PUT", path, query: "", range: None, payload }
    }
}

/// An answer that was read to its end.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its ETag, in quotes, where it has one.
    pub(crate) etag: Option<String>,
    /// The length of its body.
    pub(crate) body_bytes: u64,
}

/// A connection to an endpoint.
pub(crate) struct Client {
    wire: Wire,
    host: String,
    signer: Signer,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(endpoint: &Endpoint, signer: &Signer) -> io::Result<Self> {
        let tcp = TcpStream::connect(endpoint.address)?;
        let wire = connected(tcp, endpoint.tls.as_ref())?;
        Ok(Self { wire, host: endpoint.address.to_string(), signer: signer.clone() })
    }

    /// Sends a request and passes its answer's body on as it comes.
    pub(crate) fn send(&mut self, request: &Request<'_>, mut take: impl FnMut(&[u8])) -> io::Result<Answer> {
        let decoded = match request.payload {
            Payload::Trailer { decoded_bytes, .. } => decoded_bytes.to_string(),
            _ => String::new(),
        };
        let trailer = [("x-amz-decoded-content-length", decoded.as_str()), ("x-amz-trailer", "x-amz-checksum-crc32")];
        let (token, extra, body): (_, &[_], &[u8]) = match request.payload {
            Payload::Empty => (UNSIGNED, &[], &[]),
            Payload::Unsigned(body) => (UNSIGNED, &[], body),
            Payload::Sha256(body, sha256) => (sha256, &[], body),
            Payload::Trailer { framed, .. } => ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", &trailer, framed),
        };
        let what = (request.method, request.path, request.query);
        let mut head = match request.query {
            "" => format!("{} {} HTTP/1.1\r\n", request.method, request.path),
            query => format!("{} {}?{query} HTTP/1.1\r\n", request.method, request.path),
        };
        head.push_str(&self.signer.headers(what, &self.host, token, extra));
        if matches!(request.payload, Payload::Trailer { .. }) {
            head.push_str("content-encoding: aws-chunked\r\n");
        }
        if let Some((first, last)) = request.range {
            head.push_str(&format!("range: bytes={first}-{last}\r\n"));
        }
        if matches!(request.method, "PUT" | "POST") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        // A small body goes with its head, as clients send it.
        if body.len() < 16 << 10 {
            self.wire.write(&[head.as_bytes(), body].concat())?;
        } else {
            self.wire.write(head.as_bytes())?;
            self.wire.write(body)?;
        }
        self.answer(&mut take)
    }

    fn answer(&mut self, take: &mut impl FnMut(&[u8])) -> io::Result<Answer> {
        let head = self.wire.head()?.ok_or(wrong("no answer"))?;
        let status = head.line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(wrong("no status"))?;
        let mut body_bytes = 0;
        let mut counted = |bytes: &[u8]| {
            body_bytes += bytes.len() as u64;
            take(bytes);
        };
        if head.is_chunked() {
            self.wire.chunks(&mut counted)?;
        } else {
            self.wire.body(head.content_length().unwrap_or(0), &mut counted)?;
        }
        Ok(Answer { status, etag: head.get("etag").map(str::to_owned), body_bytes })
    }

    /// Sends a request that must succeed; its answer's body, as text.
    pub(crate) fn expect(&mut self, request: &Request<'_>) -> String {
        let mut body = Vec::new();
        let answer = self.send(request, |bytes| body.extend_from_slice(bytes)).expect("an answer");
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!((200..300).contains(&answer.status), "{} {}: {} {body}", request.method, request.path, answer.status);
        body
    }
}
