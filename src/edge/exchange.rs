//! What the stream of a connection and the service behind hyper have to know of each other.
//!
//! hyper answers by itself what it cannot parse: a bare status, without a body or a request id. It has no hook for that;
//! but while no request is being answered, nothing else writes. [`Exchange::hyper_refuses`] is that moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Request;
use http::header::TRANSFER_ENCODING;
use http_body::Body;

use super::framing::{BodyFraming, Framing};
use crate::base::Refusal;

/// Of one connection; clones are of the same one.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Exchange>>);

impl Shared {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Exchange { framing: Framing::new(), answer: Answer::None })))
    }

    /// Held for moments only, and by tasks of one connection.
    pub(super) fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a connection is.
#[derive(Debug)]
pub(super) struct Exchange {
    /// In the bytes that come.
    pub(super) framing: Framing,
    answer: Answer,
}

/// Where it is in the bytes that go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing is to go: what is written nevertheless is hyper's refusal of a head.
    None,
    /// From the request to the end of its answer's body.
    Making,
    /// hyper has all of it.
    Encoded,
}

impl Exchange {
    /// A request begins; its answer too, whatever it will be.
    ///
    /// # Errors
    /// Where it must not be believed.
    pub(super) fn begin<B: Body>(&mut self, request: &Request<B>) -> Result<(), Refusal> {
        self.answer = Answer::Making;
        let framing = request.body().size_hint().exact().map_or(BodyFraming::Chunked, BodyFraming::Sized);
        let head = self.framing.begin_body(framing).ok_or(Refusal::Malformed)?;
        // Two lengths are how a request hides in another one, from a proxy in front of us that believes the other. hyper
        // believes the Transfer-Encoding and takes the Content-Length away, so only the bytes still tell.
        if head.content_length && request.headers().contains_key(TRANSFER_ENCODING) {
            return Err(Refusal::TwoLengths);
        }
        Ok(())
    }

    /// hyper has taken all of the answer.
    pub(super) const fn encoded(&mut self) {
        self.answer = Answer::Encoded;
    }

    /// Everything that hyper had to send is sent.
    pub(super) const fn flushed(&mut self) {
        if matches!(self.answer, Answer::Encoded) {
            self.answer = Answer::None;
        }
    }

    /// Whether what is written now can only be a refusal that hyper made up.
    pub(super) const fn hyper_refuses(&self) -> bool {
        matches!(self.answer, Answer::None)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    use super::*;

    fn fed(head: &str) -> Exchange {
        let mut exchange = Exchange { framing: Framing::new(), answer: Answer::None };
        exchange.framing.feed(head.as_bytes());
        exchange
    }

    #[test]
    fn two_lengths_are_refused_in_either_order() {
        let (length, chunked) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
        let request = Request::builder().header("transfer-encoding", "chunked");
        let request = request.body(Full::new(Bytes::from_static(b"5"))).unwrap();
        for lines in [[length, chunked].concat(), [chunked, length].concat()] {
            let refused = fed(&format!("PUT / HTTP/1.1\r\n{lines}\r\n")).begin(&request);
            assert_eq!(refused, Err(Refusal::TwoLengths));
        }
        assert_eq!(fed(&format!("PUT / HTTP/1.1\r\n{chunked}\r\n")).begin(&request), Ok(()));
    }

    #[test]
    fn a_request_out_of_nowhere_is_refused() {
        assert_eq!(fed("GET").begin(&Request::new(Empty::<Bytes>::new())), Err(Refusal::Malformed));
    }

    #[test]
    fn writes_are_ours_from_the_request_until_the_answer_is_out() {
        let mut exchange = fed("GET / HTTP/1.1\r\n\r\n");
        assert!(exchange.hyper_refuses());
        exchange.begin(&Request::new(Empty::<Bytes>::new())).unwrap();
        exchange.flushed();
        assert!(!exchange.hyper_refuses(), "a part of the answer is out");
        exchange.encoded();
        assert!(!exchange.hyper_refuses(), "hyper may hold some of it");
        exchange.flushed();
        assert!(exchange.hyper_refuses());
    }
}
