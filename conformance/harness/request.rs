//! A request, from what a test wants to say to the bytes on the wire.

use aws_lc_rs::digest::{SHA256, digest};

use super::chunked::{Chain, Chunked};
use super::crc32_base64;
use super::sign::{Auth, Credentials};

/// How the body is bound to the signature: the values of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Sha256,
    Unsigned,
    SignedChunks,
    SignedChunksTrailer,
    UnsignedChunksTrailer,
}

impl Payload {
    pub(crate) const ALL: [Self; 5] =
        [Self::Sha256, Self::Unsigned, Self::SignedChunks, Self::SignedChunksTrailer, Self::UnsignedChunksTrailer];

    pub(crate) fn is_chunked(self) -> bool {
        !matches!(self, Self::Sha256 | Self::Unsigned)
    }

    pub(crate) fn has_signed_chunks(self) -> bool {
        matches!(self, Self::SignedChunks | Self::SignedChunksTrailer)
    }

    pub(crate) fn has_trailer(self) -> bool {
        matches!(self, Self::SignedChunksTrailer | Self::UnsignedChunksTrailer)
    }

    fn token(self, body: &[u8]) -> String {
        match self {
            Self::Sha256 => hex::encode(digest(&SHA256, body)),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Self::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Self::SignedChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
            Self::UnsignedChunksTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

/// A request to be signed.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    unsigned_headers: Vec<(String, String)>,
    body: Vec<u8>,
    payload: Payload,
    payload_token: Option<String>,
    auth: Auth,
    host: Option<String>,
    trailers: Option<Vec<(String, String)>>,
    framing: Framing,
}

/// Whether an aws-chunked body says so in Content-Encoding; minio-go's do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Announced,
    Silent,
}

impl Request {
    /// `path` is the key's path as S3 has it, not yet encoded: `/bucket/any key`.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: encode(path, "/"),
            query: Vec::new(),
            headers: Vec::new(),
            unsigned_headers: Vec::new(),
            body: Vec::new(),
            payload: Payload::Sha256,
            payload_token: None,
            auth: Auth::Header,
            host: None,
            trailers: None,
            framing: Framing::Announced,
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn head(path: &str) -> Self {
        Self::new("HEAD", path)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new("DELETE", path)
    }

    pub(crate) fn put(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("PUT", path).body(body)
    }

    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path).body(body)
    }

    /// A path that is already encoded, and stays as it is.
    pub(crate) fn raw_path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A signed header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A header that the signature does not cover.
    pub(crate) fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        self.unsigned_headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Another `x-amz-content-sha256` than the payload mode's own.
    pub(crate) fn payload_token(mut self, token: &str) -> Self {
        self.payload_token = Some(token.to_owned());
        self
    }

    /// Another host than the address that it goes to.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub(crate) fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    pub(crate) fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Other trailers than the CRC32 of the body.
    pub(crate) fn trailers(mut self, trailers: &[(&str, &str)]) -> Self {
        self.trailers = Some(trailers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        self
    }

    /// Signs; what comes out can still be altered, which is the point of it.
    pub(crate) fn prepare(&self, credentials: &Credentials, address: &str) -> Prepared {
        let host = self.host.clone().unwrap_or_else(|| address.to_owned());
        let now = credentials.now();
        let mut headers = self.headers.clone();
        let token = self.payload_token.clone().unwrap_or_else(|| self.payload.token(&self.body));
        let default_trailers = vec![("x-amz-checksum-crc32".to_owned(), crc32_base64(&self.body))];
        let trailers = match (&self.trailers, self.payload.has_trailer()) {
            (Some(given), _) => given.clone(),
            (None, true) => default_trailers,
            (None, false) => Vec::new(),
        };
        if self.payload.is_chunked() {
            if self.framing == Framing::Announced {
                push_if_absent(&mut headers, "content-encoding", "aws-chunked");
            }
            push_if_absent(&mut headers, "x-amz-decoded-content-length", &self.body.len().to_string());
            if !trailers.is_empty() {
                let names: Vec<&str> = trailers.iter().map(|(name, _)| name.as_str()).collect();
                push_if_absent(&mut headers, "x-amz-trailer", &names.join(","));
            }
        }
        // A presigned request binds a payload mode by signing the header; without it, the body is unsigned.
        let presigned = matches!(self.auth, Auth::Presigned { .. });
        if presigned && (self.payload != Payload::Unsigned || self.payload_token.is_some()) {
            headers.push(("x-amz-content-sha256".to_owned(), token.clone()));
        }
        if self.auth == Auth::Anonymous {
            headers.push(("x-amz-content-sha256".to_owned(), token.clone()));
        }

        let path_and_query = join_query(&self.path, &self.query);
        let uri = format!("http://{host}{path_and_query}");
        let signature = credentials.sign(self.auth, now, (&self.method, &uri), &headers, &token);
        let chain = match self.payload.has_signed_chunks() {
            true => Chain::Signed { credentials, now, seed: &signature.seed },
            false => Chain::Unsigned,
        };
        let body = match self.payload.is_chunked() {
            true => Body::Chunked(Chunked::encode(&self.body, &trailers, chain)),
            false => Body::Plain(self.body.clone()),
        };
        let mut query = self.query.clone();
        query.extend(signature.query);
        headers.insert(0, ("host".to_owned(), host));
        headers.extend(signature.headers);
        headers.extend(self.unsigned_headers.clone());
        Prepared { method: self.method.clone(), target: join_query(&self.path, &query), headers, body, length: None }
    }
}

/// A signed request, open to alteration.
pub(crate) struct Prepared {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    /// Another Content-Length than the body's.
    pub(crate) length: Option<usize>,
}

/// What follows the headers.
pub(crate) enum Body {
    Plain(Vec<u8>),
    Chunked(Chunked),
}

impl Prepared {
    /// Head and body as they go over the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let body = match &self.body {
            Body::Plain(bytes) => bytes.clone(),
            Body::Chunked(chunked) => chunked.to_bytes(),
        };
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let framed = self.headers.iter().any(|(name, _)| name == "transfer-encoding" || name == "content-length");
        if !framed && (!body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST")) {
            let length = self.length.unwrap_or(body.len());
            out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        if !self.headers.iter().any(|(name, _)| name == "connection") {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        out
    }
}

fn push_if_absent(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    if !headers.iter().any(|(given, _)| given == name) {
        headers.push((name.to_owned(), value.to_owned()));
    }
}

fn join_query(path: &str, query: &[(String, String)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(n, v)| format!("{}={}", encode(n, ""), encode(v, ""))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// S3's percent-encoding: unreserved characters and `also` stay.
pub(crate) fn encode(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
