//! Answers to operations that may take minutes: CompleteMultipartUpload, CopyObject, UploadPartCopy.
//!
//! As S3 does: when the outcome is there soon, it is an ordinary answer with its own status. When not, a 200 goes out, the
//! XML declaration first (nothing may stand before it), then a blank every few seconds, and at last the document, which may
//! be an `<Error>`: SDKs look into the body of these operations.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::s3::answer;
use crate::s3::xml::DECLARATION;

use super::error::{Code, Failure, Place};
use super::reply::{Content, Reply};

/// When a waiting client hears something.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How long an outcome is waited for before the 200 goes out.
    patience: Duration,
    /// The distance between blanks.
    blank_every: Duration,
}

/// Long enough that nearly every failure still has its own status; short enough for the 15-60 s read timeouts that
/// clients and load balancers have.
const PACE: Pace = Pace { patience: Duration::from_secs(5), blank_every: Duration::from_secs(5) };

/// The running operation; it owns all that it needs.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// A body that is not known yet.
pub(crate) struct KeepAlive {
    state: State,
    pace: Pace,
    /// What an `<Error>` in the body says about the request.
    place: Place,
    /// Of a failure in the body: the status cannot say it any more, the log can.
    code: Option<Code>,
}

enum State {
    Declaration(Outcome),
    Blanks { outcome: Outcome, every: Interval },
    Done,
}

/// The answer of `outcome`, or when that takes too long a 200 that waits for it.
pub(crate) async fn answer(outcome: Outcome, place: Place) -> Result<Reply, Failure> {
    answer_at(PACE, outcome, place).await
}

async fn answer_at(pace: Pace, mut outcome: Outcome, place: Place) -> Result<Reply, Failure> {
    match timeout(pace.patience, &mut outcome).await {
        Ok(settled) => settled,
        Err(_elapsed) => {
            let mut reply = Reply::empty(StatusCode::OK);
            reply.headers.insert(CONTENT_TYPE, answer::XML);
            reply.content = Content::Waiting(KeepAlive { state: State::Declaration(outcome), pace, place, code: None });
            Ok(reply)
        }
    }
}

impl KeepAlive {
    /// The next bytes of the body; `None` at its end.
    pub(crate) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Done => Poll::Ready(None),
            State::Declaration(outcome) => {
                let mut every = interval_at(Instant::now() + self.pace.blank_every, self.pace.blank_every);
                every.set_missed_tick_behavior(MissedTickBehavior::Delay);
                self.state = State::Blanks { outcome, every };
                Poll::Ready(Some(Bytes::from_static(DECLARATION.as_bytes())))
            }
            State::Blanks { mut outcome, mut every } => match outcome.as_mut().poll(context) {
                Poll::Ready(settled) => Poll::Ready(Some(self.document(settled))),
                Poll::Pending => {
                    let tick = every.poll_tick(context).map(|_| Some(Bytes::from_static(b" ")));
                    self.state = State::Blanks { outcome, every };
                    tick
                }
            },
        }
    }

    /// The S3 code of a failure that has gone out in the body.
    pub(crate) const fn code(&self) -> Option<Code> {
        self.code
    }

    /// What is left of the document once its declaration has gone out.
    fn document(&mut self, settled: Result<Reply, Failure>) -> Bytes {
        let document = match settled {
            Ok(Reply { content: Content::Whole(document), .. }) => document,
            // An operation that is answered this way always has a document.
            Ok(_) => self.failed(&Failure::internal("a long operation ended without a document")),
            Err(failure) => self.failed(&failure),
        };
        match document.strip_prefix(DECLARATION.as_bytes()) {
            Some(rest) => document.slice_ref(rest),
            None => document,
        }
    }

    fn failed(&mut self, failure: &Failure) -> Bytes {
        self.code = Some(failure.code());
        failure.log(self.place.request_id, &self.place.resource);
        failure.document(&self.place)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use http::StatusCode;
    use tokio::time::sleep;

    use super::{Outcome, Pace, answer_at};
    use crate::base::RequestId;
    use crate::gateway::error::{Code, Failure, Place};
    use crate::gateway::reply::{Content, Reply};
    use crate::s3::xml::DECLARATION;

    fn place() -> Place {
        Place { request_id: RequestId::from_bytes([1; 16]), host_id: "host".into(), resource: "/data/key".into() }
    }

    const PACE: Pace = Pace { patience: Duration::from_millis(100), blank_every: Duration::from_millis(100) };

    fn after(millis: u64, outcome: Result<Reply, Failure>) -> Outcome {
        Box::pin(async move {
            sleep(Duration::from_millis(millis)).await;
            outcome
        })
    }

    async fn sent(reply: Reply) -> Vec<String> {
        sent_with_code(reply).await.0
    }

    async fn sent_with_code(reply: Reply) -> (Vec<String>, Option<Code>) {
        let Content::Waiting(mut waiting) = reply.content else { panic!("the outcome was there at once") };
        let mut chunks = Vec::new();
        while let Some(chunk) = poll_fn(|context| waiting.poll_chunk(context)).await {
            chunks.push(String::from_utf8(chunk.to_vec()).expect("text"));
        }
        (chunks, waiting.code())
    }

    #[tokio::test]
    async fn soon_it_is_an_ordinary_answer() {
        let refused = answer_at(PACE, after(1, Err(Failure::client(Code::NoSuchUpload))), place()).await;
        assert_eq!(refused.err().map(|failure| failure.code()), Some(Code::NoSuchUpload));
    }

    #[tokio::test]
    async fn late_it_is_a_declaration_blanks_and_the_document() {
        let document = format!("{DECLARATION}<Done/>");
        let reply = answer_at(PACE, after(350, Ok(Reply::xml(document))), place()).await.expect("a reply");
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(sent(reply).await, [DECLARATION, " ", " ", "<Done/>"]);
    }

    #[tokio::test]
    async fn late_failures_are_told_in_the_body() {
        let reply =
            answer_at(PACE, after(150, Err(Failure::client(Code::InvalidPart))), place()).await.expect("a reply");
        let (chunks, code) = sent_with_code(reply).await;
        assert_eq!(code, Some(Code::InvalidPart), "the access line says it, since the status cannot");
        assert_eq!(chunks[0], DECLARATION);
        assert!(chunks[1].starts_with("<Error><Code>InvalidPart</Code>"), "{chunks:?}");
        assert_eq!(chunks.len(), 2);
    }
}
