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

use super::error::{Failure, Place};
use super::reply::{Content, Reply};

/// How long an outcome is waited for before the 200 goes out. Long enough that nearly every failure still has its own
/// status, short enough for the shortest idle timeouts in front of us.
const PATIENCE: Duration = Duration::from_secs(5);
/// The distance between blanks: below the 15-60 s read timeouts that clients and load balancers have.
const BLANK_EVERY: Duration = Duration::from_secs(5);

/// The running operation; it owns all that it needs.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// A body that is not known yet.
pub(crate) struct KeepAlive {
    state: State,
    /// What an `<Error>` in the body says about the request.
    place: Place,
}

enum State {
    Declaration(Outcome),
    Blanks { outcome: Outcome, every: Interval },
    Done,
}

/// The answer of `outcome`, or after [`PATIENCE`] a 200 that waits for it.
pub(crate) async fn answer(mut outcome: Outcome, place: Place) -> Result<Reply, Failure> {
    match timeout(PATIENCE, &mut outcome).await {
        Ok(settled) => settled,
        Err(_elapsed) => {
            let mut reply = Reply::empty(StatusCode::OK);
            reply.headers.insert(CONTENT_TYPE, answer::XML);
            reply.content = Content::Waiting(KeepAlive { state: State::Declaration(outcome), place });
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
                let mut every = interval_at(Instant::now() + BLANK_EVERY, BLANK_EVERY);
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

    /// What is left of the document once its declaration has gone out.
    fn document(&self, settled: Result<Reply, Failure>) -> Bytes {
        let document = match settled {
            Ok(Reply { content: Content::Whole(document), .. }) => document,
            // An operation that is answered this way always has a document.
            Ok(_) => Failure::internal("a long operation ended without a document").document(&self.place),
            Err(failure) => {
                failure.log(self.place.request_id, &self.place.resource);
                failure.document(&self.place)
            }
        };
        match document.strip_prefix(DECLARATION.as_bytes()) {
            Some(rest) => document.slice_ref(rest),
            None => document,
        }
    }
}
