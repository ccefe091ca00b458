//! One request, built from parsed parts. Nothing in it comes from a client's headers; what comes from a client at all
//! (keys, tags) or from the service (upload ids, ETags) is percent-encoded, or checked before it stands in a header.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::Timestamp;
use crate::upstream::UpstreamError;

use super::http::{Asked, Host, Idle};

/// What S3 signs as it is in a path; everything else is encoded, once. A URL library would rewrite `a/../b`.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// In a query a slash is data.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request to the service.
pub(super) struct Call {
    pub(super) method: Method,
    /// Where to connect.
    pub(super) host: Host,
    /// The Host header.
    authority: String,
    /// `/bucket/key?query`, encoded.
    path_and_query: String,
    headers: Vec<(&'static str, String)>,
    pub(super) payload: Payload,
    pub(super) replay: Replay,
    pub(super) patience: Patience,
}

/// The methods of S3 that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Put,
    Post,
    Delete,
}

/// What follows the head.
pub(super) enum Payload {
    /// Bytes of ours, signed with their SHA-256. Empty for none.
    Signed(Vec<u8>),
    /// So many bytes that TLS protects.
    Unsigned {
        /// How many.
        len: u64,
    },
    /// `aws-chunked`, with a checksum after it.
    Trailer {
        /// How many bytes there are, framed.
        encoded_len: u64,
    },
}

impl Payload {
    /// What of it is at hand.
    pub(super) fn in_memory(&self) -> &[u8] {
        match self {
            Self::Signed(bytes) => bytes,
            Self::Unsigned { .. } | Self::Trailer { .. } => &[],
        }
    }
}

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// Twice is like once.
    Always,
    /// Only if it cannot have been carried out: the second time it would meet the first.
    Unsent,
}

impl Replay {
    /// Which idle connection the first attempt may take.
    pub(super) const fn first_idle(self) -> Idle {
        match self {
            Self::Always => Idle::Any,
            Self::Unsent => Idle::Fresh,
        }
    }
}

/// How long an answer may take to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The idle timeout.
    Usual,
    /// Many times that: the service moves data before it answers, without a sign of life.
    Long,
}

impl Patience {
    /// [`Patience::Long`] in idle timeouts: 5 GiB copied at less than 10 MB/s.
    const LONG: u32 = 10;

    pub(super) fn of(self, idle_timeout: Duration) -> Duration {
        match self {
            Self::Usual => idle_timeout,
            Self::Long => idle_timeout.saturating_mul(Self::LONG),
        }
    }
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    pub(super) const fn asked(self) -> Asked {
        match self {
            Self::Head => Asked::Head,
            Self::Get | Self::Put | Self::Post | Self::Delete => Asked::Other,
        }
    }
}

/// Whether the service is to say `100 Continue` before the body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Continue,
    Nothing,
}

/// Text as it stands in a path.
pub(super) fn in_path(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, IN_PATH)
}

/// Text as it stands in a query, or in a form.
pub(super) fn in_query(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, IN_QUERY)
}

impl Call {
    /// A request without query, headers and payload that may be sent twice.
    pub(super) fn new(method: Method, host: Host, authority: String, path: String) -> Self {
        Self {
            method,
            host,
            authority,
            path_and_query: path,
            headers: Vec::new(),
            payload: Payload::Signed(Vec::new()),
            replay: Replay::Always,
            patience: Patience::Usual,
        }
    }

    /// Adds a parameter; an empty value for one that only has a name.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        let separator = if self.path_and_query.contains('?') { '&' } else { '?' };
        self.path_and_query.push(separator);
        self.path_and_query.push_str(name);
        self.path_and_query.push('=');
        self.path_and_query.extend(utf8_percent_encode(value, IN_QUERY));
        self
    }

    /// Adds a header, which is signed.
    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a header where there is something to say.
    pub(super) fn optional_header(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    pub(super) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(super) const fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    pub(super) const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The head as it goes out, signed now.
    pub(super) fn head(
        &self,
        credentials: Credentials,
        region: &str,
        now: Timestamp,
        expect: Expect,
    ) -> Result<Vec<u8>, UpstreamError> {
        let visible = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !self.headers.iter().all(|(_, value)| visible(value)) {
            return Err(UpstreamError::Broken("a request would carry a header that is not text".to_owned()));
        }
        let mut head = Vec::with_capacity(1024);
        let mut line = |pieces: &[&str]| pieces.iter().for_each(|piece| head.extend_from_slice(piece.as_bytes()));
        line(&[self.method.as_str(), " ", &self.path_and_query, " HTTP/1.1\r\nhost: ", &self.authority, "\r\n"]);
        for (name, value) in &self.headers {
            line(&[name, ": ", value, "\r\n"]);
        }
        for (name, value) in self.signature(credentials, region, now)? {
            line(&[name, ": ", &value, "\r\n"]);
        }
        let length = match &self.payload {
            Payload::Signed(bytes) => bytes.len() as u64,
            Payload::Unsigned { len } => *len,
            Payload::Trailer { encoded_len } => *encoded_len,
        };
        if length > 0 || matches!(self.method, Method::Put | Method::Post) {
            line(&["content-length: ", &length.to_string(), "\r\n"]);
        }
        if expect == Expect::Continue {
            line(&["expect: 100-continue\r\n"]);
        }
        line(&["user-agent: crypt-keeper\r\n\r\n"]);
        Ok(head)
    }

    fn signature(
        &self,
        credentials: Credentials,
        region: &str,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String)>, UpstreamError> {
        // S3 alone signs the path encoded once and as it is.
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        // The library's own errors could hold what is signed.
        let unsigned = || UpstreamError::Broken("a request could not be signed".to_owned());
        let identity = credentials.into();
        let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.unix_millis()).unwrap_or(0));
        let params: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(time)
            .settings(settings)
            .build()
            .map_err(|_| unsigned())?
            .into();
        let headers = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = headers.chain(std::iter::once(("host", self.authority.as_str())));
        let body = match &self.payload {
            Payload::Signed(bytes) => SignableBody::Bytes(bytes),
            Payload::Unsigned { .. } => SignableBody::UnsignedPayload,
            Payload::Trailer { .. } => SignableBody::StreamingUnsignedPayloadTrailer,
        };
        let uri = Cow::Borrowed(self.path_and_query.as_str());
        let request = SignableRequest::new(self.method.as_str(), uri, headers, body).map_err(|_| unsigned())?;
        let (instructions, _) = sign(request, &params).map_err(|_| unsigned())?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
    }
}
