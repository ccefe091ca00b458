//! What uploads have for a worker, and how it waits for them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::worker::Lane;
use crate::base::Md5;

/// From a stream to its worker.
pub(super) enum Letter {
    /// It begins.
    Open(Lane),
    /// More bytes.
    Run(Bytes),
    /// No more bytes: what is the digest?
    Finish(oneshot::Sender<Md5>),
    /// Forget it. Sent by every stream at its end, too.
    Gone,
    /// Shows what becomes of uploads when a worker panics.
    #[cfg(test)]
    Panic,
}

/// Letters, each with the id of its stream, in the order of posting.
#[derive(Default)]
pub(super) struct Inbox {
    post: Mutex<Post>,
    arrived: Condvar,
}

#[derive(Default)]
struct Post {
    letters: Vec<(u64, Letter)>,
    /// Grows whenever the letters are taken out. Starts behind the 0 that new streams carry.
    round: u64,
    /// How many streams have posted in this round.
    fed: usize,
    /// The worker sleeps until so many have.
    wake_at: Option<usize>,
    closed: bool,
}

/// What the worker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// Go on.
    Open,
    /// Nobody will post any more.
    Closed,
}

impl Inbox {
    /// Posts, and wakes the worker if it waits for no more than that. `told` is what the stream's last post returned.
    pub(super) fn post(&self, id: u64, told: u64, letter: Letter) -> u64 {
        let mut post = self.lock();
        post.letters.push((id, letter));
        let round = post.round + 1;
        if told != round {
            post.fed += 1;
        }
        if post.wake_at.is_some_and(|wake_at| post.fed >= wake_at) {
            post.wake_at = None;
            drop(post);
            self.arrived.notify_one();
        }
        round
    }

    /// Takes out all letters, after waiting until `streams` have posted, or for so long.
    pub(super) fn take(&self, into: &mut Vec<(u64, Letter)>, streams: usize, at_most: Option<Duration>) -> Mail {
        let mut post = self.lock();
        if streams > 0 && post.fed < streams && !post.closed {
            post.wake_at = Some(streams);
            let asleep = |post: &mut Post| post.wake_at.is_some();
            post = match at_most {
                Some(at_most) => {
                    let woken = self.arrived.wait_timeout_while(post, at_most, asleep);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait_while(post, asleep).unwrap_or_else(PoisonError::into_inner),
            };
            post.wake_at = None;
        }
        std::mem::swap(&mut post.letters, into);
        post.round += 1;
        post.fed = 0;
        if post.closed { Mail::Closed } else { Mail::Open }
    }

    /// The last stream and the last handle are gone.
    pub(super) fn close(&self) {
        let mut post = self.lock();
        post.closed = true;
        post.wake_at = None;
        drop(post);
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
