//! Answers: status, headers, and a body that either is whole, or streams verified plaintext, or keeps a client waiting.
//!
//! A body that cannot be finished ends with [`ReplyAborted`], which makes hyper drop the connection: after a 200 or 206
//! has gone out, a failed tag or a lost upstream never looks like a clean end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::objects::PlainReader;
use crate::s3::answer;

use super::access::Record;
use super::error::Failure;
use super::keep_alive::KeepAlive;

/// The body of an answer ended before its end: the connection has to be dropped. Logged where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was broken off")]
pub struct ReplyAborted;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// Where the bytes of an answer come from.
pub(crate) enum Content {
    /// Nothing, or nothing more.
    Empty,
    /// All of it, in memory: XML.
    Whole(Bytes),
    /// An object's plaintext, frame by verified frame.
    Object {
        /// The frames.
        chunks: Chunks,
        /// How many bytes are still to come.
        remaining: u64,
    },
    /// Blanks while a long operation runs, then its XML.
    Waiting(KeepAlive),
}

impl Content {
    /// Whether nothing more is to come. hyper asks no body for more than its Content-Length, so the end is seen here.
    const fn is_spent(&self) -> bool {
        match self {
            Self::Empty | Self::Object { remaining: 0, .. } => true,
            Self::Whole(document) => document.is_empty(),
            Self::Object { .. } | Self::Waiting(_) => false,
        }
    }
}

/// An answer that has not met the headers common to all answers yet.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// Headers of this answer.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) content: Content,
}

impl Reply {
    /// Without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), content: Content::Empty }
    }

    /// Headers, and a body to come if there is one.
    pub(crate) const fn with_headers(status: StatusCode, headers: HeaderMap) -> Self {
        Self { status, headers, content: Content::Empty }
    }

    /// 200 with an XML document.
    pub(crate) fn xml(document: impl Into<Bytes>) -> Self {
        Self::xml_with(StatusCode::OK, document)
    }

    /// An XML document with another status.
    pub(crate) fn xml_with(status: StatusCode, document: impl Into<Bytes>) -> Self {
        let document = document.into();
        let mut reply = Self { status, headers: HeaderMap::new(), content: Content::Whole(document) };
        reply.headers.insert(CONTENT_TYPE, answer::XML);
        reply
    }

    /// With more headers.
    #[must_use]
    pub(crate) fn with(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets a header. A value that no header can carry is left out: it cannot be said.
    pub(crate) fn set(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.insert(name, value);
        }
    }

    /// Streams an object's plaintext.
    pub(crate) fn stream(&mut self, reader: PlainReader) {
        let remaining = reader.remaining();
        let chunks = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(reader))),
                Err(error) => Some((Err(Failure::from(error)), None)),
            }
        });
        self.content = Content::Object { chunks: Box::pin(chunks), remaining };
    }

    /// The answer as hyper takes it; `record` writes its log line when the body has gone out or was dropped.
    pub(crate) fn into_response(self, mut record: Record) -> Response<ReplyBody> {
        record.status = self.status.as_u16();
        if self.content.is_spent() {
            record.finished();
        }
        let mut headers = self.headers;
        let body_bytes = match &self.content {
            Content::Empty if self.status == StatusCode::NO_CONTENT || self.status == StatusCode::NOT_MODIFIED => None,
            // HEAD answers carry the length of the body that GET would have sent.
            Content::Empty if headers.contains_key(CONTENT_LENGTH) => None,
            Content::Empty => Some(0),
            Content::Whole(document) => Some(document.len() as u64),
            Content::Object { remaining, .. } => Some(*remaining),
            Content::Waiting(_) => None,
        };
        if let Some(bytes) = body_bytes {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        let mut response = Response::new(ReplyBody { content: self.content, record });
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// The body that hyper sends.
pub struct ReplyBody {
    content: Content,
    record: Record,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = ReplyAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyAborted>>> {
        let this = &mut *self;
        let polled = match &mut this.content {
            Content::Empty => Poll::Ready(None),
            Content::Whole(document) => {
                let document = std::mem::take(document);
                this.content = Content::Empty;
                Poll::Ready((!document.is_empty()).then_some(Ok(document)))
            }
            Content::Object { chunks, remaining } => match chunks.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => {
                    *remaining = remaining.saturating_sub(chunk.len() as u64);
                    Poll::Ready(Some(Ok(chunk)))
                }
                Poll::Ready(None) if *remaining > 0 => {
                    Poll::Ready(Some(Err(Failure::internal("a reader ended before the promised length"))))
                }
                other => other,
            },
            Content::Waiting(waiting) => {
                let polled = waiting.poll_chunk(context);
                this.record.code = waiting.code();
                polled.map(|chunk| chunk.map(Ok))
            }
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                this.record.finished();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(chunk))) => {
                this.record.bytes_out += chunk.len() as u64;
                if this.content.is_spent() {
                    this.record.finished();
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Poll::Ready(Some(Err(failure))) => {
                this.content = Content::Empty;
                this.record.broken_off(&failure);
                Poll::Ready(Some(Err(ReplyAborted)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Whole(document) => document.is_empty(),
            // The reader is asked once more for its end, and an empty range is an empty body.
            Content::Object { .. } | Content::Waiting(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Whole(document) => SizeHint::with_exact(document.len() as u64),
            Content::Object { remaining, .. } => SizeHint::with_exact(*remaining),
            Content::Waiting(_) => SizeHint::default(),
        }
    }
}
