//! The only place that knows S3's error codes, statuses and messages, and whose side a failure is on.
//!
//! Every error type of the floors below has one total mapping here (no `_` arm: a new variant does not compile until it is
//! placed). A failure has two messages: the client sees code, message and request id; the log line has the chain. It is
//! logged once, where it is answered. What goes wrong behind us is never the client's: an upstream 403 is a 503 here.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};

use crate::base::{ObjectKey, RequestId};
use crate::s3::xml::{self, ErrorAnswer};

use super::reply::Reply;

mod auth;
mod body;
mod code;
mod object;
mod request;

pub(crate) use code::Code;

/// Whose doing a failure is: what an operator looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's request; nothing for us to repair.
    Client,
    /// The store behind us.
    Upstream,
    /// The keyring or Vault.
    Keys,
    /// Our database.
    Store,
    /// Stored bytes or rows that do not verify: damage, or somebody's hand.
    Integrity,
    /// This program.
    Internal,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Keys => "keys",
            Self::Store => "store",
            Self::Integrity => "integrity",
            Self::Internal => "internal",
        }
    }
}

/// A request that is not answered as asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    side: Side,
    message: Cow<'static, str>,
    /// Elements of the `<Error>` beside the common ones.
    extra: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only: the chain of causes.
    cause: String,
}

/// Which request an `<Error>` belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// In the answer's headers too.
    pub(crate) request_id: RequestId,
    /// Names this process.
    pub(crate) host_id: std::sync::Arc<str>,
    /// The path as the client sent it, without the query (which may carry a signature).
    pub(crate) resource: std::sync::Arc<str>,
}

/// How long a client should wait before it asks again while keys, database or upstream are away. SDKs back off by
/// themselves; this is for those who read the header.
const RETRY_AFTER_SECONDS: &str = "5";

impl Failure {
    /// The client's doing, with the code's own text.
    pub(crate) fn client(code: Code) -> Self {
        Self::new(code, Side::Client)
    }

    /// On any side, with the code's own text.
    fn new(code: Code, side: Side) -> Self {
        let message = Cow::Borrowed(code.message());
        let mut failure = Self { code, side, message, extra: Vec::new(), headers: Vec::new(), cause: String::new() };
        if matches!(code, Code::ServiceUnavailable | Code::SlowDown) {
            failure.headers.push((RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS)));
        }
        failure
    }

    /// This program's own fault: something that cannot be, was.
    pub(crate) fn internal(what: &'static str) -> Self {
        let mut failure = Self::new(Code::InternalError, Side::Internal);
        failure.cause = what.to_owned();
        failure
    }

    /// More than this process takes on; the client is told to come back.
    pub(crate) fn overload(what: &'static str) -> Self {
        let mut failure = Self::new(Code::SlowDown, Side::Client);
        failure.cause = what.to_owned();
        failure
    }

    /// With a text of its own for the client.
    #[must_use]
    pub(crate) fn saying(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// With one more element in the `<Error>`.
    #[must_use]
    pub(crate) fn and(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.extra.push((element, value.into()));
        self
    }

    /// Where it is about a key that is not there, with the key.
    #[must_use]
    pub(crate) fn about_key(self, key: &ObjectKey) -> Self {
        if self.code == Code::NoSuchKey { self.and("Key", key.as_str()) } else { self }
    }

    /// Where it is about an upload or its parts, with the upload's id.
    #[must_use]
    pub(crate) fn about_upload(self, upload_id: &str) -> Self {
        match self.code {
            Code::NoSuchUpload | Code::InvalidPart | Code::InvalidPartOrder => self.and("UploadId", upload_id),
            _ => self,
        }
    }

    /// With one more header, or another value of one that it has.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.retain(|(other, _)| *other != name);
            self.headers.push((name, value));
        }
        self
    }

    /// With the chain of causes, for the log.
    #[must_use]
    fn because(mut self, error: &dyn Error) -> Self {
        self.cause = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            // Transparent errors repeat their source's text.
            let text = source.to_string();
            if !self.cause.ends_with(&text) {
                let _ = write!(self.cause, ": {text}");
            }
            next = source.source();
        }
        self
    }

    /// The code, for the access log and per-key results.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// What the client is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// One line where it is answered. What a client did wrong is in the access log already and is only detail here.
    pub(crate) fn log(&self, request_id: RequestId, resource: &str) {
        let (code, side, cause) = (self.code.name(), self.side.name(), &self.cause);
        match self.side {
            Side::Client => tracing::debug!(%request_id, code, side, cause, resource, "refused"),
            Side::Upstream | Side::Keys | Side::Store | Side::Integrity | Side::Internal => {
                tracing::error!(%request_id, code, side, cause, resource, "failed");
            }
        }
    }

    /// The `<Error>` document.
    pub(crate) fn document(&self, place: &Place) -> Bytes {
        let document = xml::error(&ErrorAnswer {
            code: self.code.name(),
            message: &self.message,
            details: &self.extra,
            resource: &place.resource,
            request_id: &place.request_id.to_string(),
            host_id: &place.host_id,
        });
        document.into()
    }

    /// The answer. HEAD has no body.
    pub(crate) fn into_reply(self, method: &Method, place: &Place) -> Reply {
        let status = self.code.status();
        let mut reply =
            if *method == Method::HEAD { Reply::empty(status) } else { Reply::xml_with(status, self.document(place)) };
        if self.code == Code::MethodNotAllowed {
            reply.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE"));
        }
        reply.headers.extend(self.headers);
        reply
    }
}
