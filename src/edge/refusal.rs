//! Answers to what hyper does not take for a request, written by hand where hyper would write a bare status.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http_body_util::BodyExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::AnswerBody;
use crate::base::Refusal;

/// Such an answer is a few hundred bytes: they go at once, or to nobody.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection that hyper ended with `error` is answered; `None` where there is nobody to answer.
pub(super) fn of(error: &hyper::Error, head_has_begun: bool) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else if error.is_parse() {
        Some(Refusal::Malformed)
    } else if error.is_timeout() && head_has_begun {
        Some(Refusal::HeadTimeout)
    } else {
        None
    }
}

/// Writes an answer that ends the connection.
pub(super) async fn write<B: AnswerBody>(into: &mut (impl AsyncWrite + Unpin), answer: Response<B>) {
    let (head, body) = answer.into_parts();
    // It is in memory, and whole.
    let Ok(body) = body.collect().await else { return };
    let body: Bytes = body.to_bytes();
    let status = head.status;
    let mut out = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    out.push_str(&format!("content-length: {}\r\nconnection: close\r\n", body.len()));
    let mut out = out.into_bytes();
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH && **name != CONNECTION) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    let sent = timeout(WRITE_TIMEOUT, async {
        into.write_all(&out).await?;
        into.flush().await
    });
    // A client that has gone misses nothing.
    let _ = sent.await;
}
