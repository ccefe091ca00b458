//! A worker: takes letters, and brings every stream that has something pending a step forward.
//!
//! One stream by itself is hashed as it comes. With several, a worker that ran at once for whoever comes first would
//! spend a whole core at one lane's speed. So it waits a moment for as many as it had last, unless an upload is about
//! to wait for it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use md5_many::Md5Many;
use tokio::sync::oneshot;

use super::batch::{MIN_LANES, Track, step};
use super::inbox::{Inbox, Letter, Mail};
use super::{Meter, WINDOW_BYTES};
use crate::base::Md5;

/// How long it waits for other streams: what one stream has to hash meanwhile is a fraction of its window.
const LINGER: Duration = Duration::from_micros(200);

/// A stream as its worker knows it.
pub(super) struct Lane {
    track: Track,
    meter: Arc<Meter>,
    answer: Option<oneshot::Sender<Md5>>,
}

impl Lane {
    pub(super) const fn new(meter: Arc<Meter>) -> Self {
        Self { track: Track::new(), meter, answer: None }
    }
}

impl Drop for Lane {
    /// Done, forgotten, or lost in a panic: whoever still pushes must not wait for ever.
    fn drop(&mut self) {
        self.meter.end();
    }
}

/// Works until nobody can post any more. After a panic the streams that were open fail, and it goes on with new ones.
pub(super) fn run(kernel: Md5Many, inbox: &Inbox) {
    let mut works = Mail::Open;
    while works == Mail::Open {
        works = catch_unwind(AssertUnwindSafe(|| work(kernel, inbox))).map_or(Mail::Open, |()| Mail::Closed);
        if works == Mail::Open {
            tracing::error!("an MD5 worker has panicked; the uploads that it hashed fail");
        }
    }
}

fn work(kernel: Md5Many, inbox: &Inbox) {
    let mut desk = Desk::default();
    // How many streams had something pending in the last step.
    let mut usual = 1;
    loop {
        if desk.ready().count() == 0 && desk.collect(inbox, 1, None) == Mail::Closed {
            return;
        }
        let wanted = usual.min(desk.lanes.len()).min(MIN_LANES);
        let missing = wanted.saturating_sub(desk.ready().count());
        let blocked = desk.ready().any(|lane| lane.track.pending_bytes() > WINDOW_BYTES);
        let missing = if blocked { 0 } else { missing };
        if desk.collect(inbox, missing, Some(LINGER)) == Mail::Closed {
            return;
        }
        usual = desk.ready().count();
        desk.advance(kernel);
    }
}

/// Every open stream, and the letters that were taken out last.
#[derive(Default)]
struct Desk {
    lanes: BTreeMap<u64, Lane>,
    letters: Vec<(u64, Letter)>,
}

impl Desk {
    /// Streams with something to hash.
    fn ready(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().filter(|lane| lane.track.pending_bytes() > 0)
    }

    /// Takes in what was posted, after waiting for so many streams, or for so long.
    fn collect(&mut self, inbox: &Inbox, streams: usize, at_most: Option<Duration>) -> Mail {
        let mail = inbox.take(&mut self.letters, streams, at_most);
        for (id, letter) in self.letters.drain(..) {
            match letter {
                Letter::Open(lane) => {
                    self.lanes.insert(id, lane);
                }
                Letter::Gone => {
                    self.lanes.remove(&id);
                }
                // Streams that are not there were lost in a panic and know it.
                Letter::Run(run) => {
                    if let Some(lane) = self.lanes.get_mut(&id) {
                        lane.track.push(run);
                    }
                }
                Letter::Finish(answer) => {
                    if let Some(lane) = self.lanes.get_mut(&id) {
                        lane.answer = Some(answer);
                        lane.answer_if_done();
                    }
                }
                #[cfg(test)]
                Letter::Panic => std::panic::panic_any("a test"),
            }
        }
        mail
    }

    /// One step for every stream that has something to hash.
    fn advance(&mut self, kernel: Md5Many) {
        let mut ready: Vec<&mut Lane> = self.lanes.values_mut().filter(|lane| lane.track.pending_bytes() > 0).collect();
        let before: Vec<usize> = ready.iter().map(|lane| lane.track.pending_bytes()).collect();
        step(kernel, &mut ready.iter_mut().map(|lane| &mut lane.track).collect::<Vec<_>>());
        for (lane, before) in ready.into_iter().zip(before) {
            lane.meter.hashed(before - lane.track.pending_bytes());
            lane.answer_if_done();
        }
    }
}

impl Lane {
    /// The digest, where it was asked for and nothing is pending. Nobody may be waiting any more.
    fn answer_if_done(&mut self) {
        if self.track.pending_bytes() == 0
            && let Some(answer) = self.answer.take()
        {
            let _ = answer.send(self.track.digest());
        }
    }
}
