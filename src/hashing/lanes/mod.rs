//! MD5 of many uploads at once, on threads of its own.
//!
//! MD5 is sequential and the dearest thing in a PUT: 0.7 GB/s on a core that encrypts at 12. Two things help. Streams
//! that run at the same time go through the SIMD lanes of one core together (8 lanes 3.8 GB/s, 16 lanes 4.5 on AVX2);
//! and a stream that runs alone is hashed on another core than the one that encrypts it.
//!
//! An upload opens a [`Md5Stream`] and pushes the shared buffers that it also seals: nothing is copied. What was pushed
//! and is not hashed yet is bounded per stream ([`WINDOW_BYTES`]); whoever is ahead waits. Streams are packed onto as
//! few workers as fill their lanes, and every stream with something pending goes forward in every step, so that none
//! waits for another's end. A stream that is dropped is forgotten with all that it had pushed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use md5_many::Md5Many;
use tokio::sync::{Notify, oneshot};

use crate::base::Md5;

mod batch;
mod inbox;
mod worker;

use self::batch::MIN_LANES;
use self::inbox::{Inbox, Letter};
use self::worker::Lane;

/// How much of a stream may wait to be hashed before its upload waits too, beside the one buffer that goes over it:
/// 0.7 ms of one stream's work, so that neither side runs dry while the other is woken.
const WINDOW_BYTES: usize = 512 << 10;
/// What a stream holds at most of buffers that nobody else holds any more.
pub const STREAM_BYTES: usize = WINDOW_BYTES;
/// An upload that waits goes on when so little is left.
const RESUME_BYTES: usize = WINDOW_BYTES / 2;

/// The worker that hashed a stream has failed; the stream has no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the MD5 worker has failed")]
pub struct LanesFailed;

/// The workers. Cheap to clone; they end when the last clone and the last stream are gone.
#[derive(Clone)]
pub struct Md5Lanes {
    workers: Arc<Workers>,
}

struct Workers(Vec<Worker>);

struct Worker {
    inbox: Arc<Inbox>,
    /// Streams that are open.
    streams: AtomicUsize,
}

impl Md5Lanes {
    /// Starts so many workers, at least one, each a thread.
    ///
    /// # Errors
    /// The threads cannot be made, or this processor's SIMD kernels compute MD5 wrongly.
    pub fn start(workers: usize) -> io::Result<Self> {
        let kernel = Md5Many::new();
        if !batch::is_sound(kernel) {
            return Err(io::Error::other("MD5 comes out wrong on this processor"));
        }
        let mut started = Vec::new();
        for at in 0..workers.max(1) {
            let inbox = Arc::new(Inbox::default());
            let its = Arc::clone(&inbox);
            thread::Builder::new().name(format!("md5-{at}")).spawn(move || worker::run(kernel, &its))?;
            started.push(Worker { inbox, streams: AtomicUsize::new(0) });
        }
        Ok(Self { workers: Arc::new(Workers(started)) })
    }

    /// As many workers as these cores need: one for every two. The other half of the work on a body (reading, sealing,
    /// writing) is at least as much once the lanes are full.
    ///
    /// # Errors
    /// As [`Md5Lanes::start`].
    pub fn for_cores(cores: usize) -> io::Result<Self> {
        Self::start(cores / 2)
    }

    /// A new stream that has seen nothing.
    pub fn open(&self) -> Md5Stream {
        let at = self.pick();
        let mut stream = Md5Stream {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            workers: Arc::clone(&self.workers),
            at,
            meter: Arc::new(Meter::default()),
            told: 0,
        };
        stream.worker().streams.fetch_add(1, Ordering::Relaxed);
        let lane = Lane::new(Arc::clone(&stream.meter));
        stream.post(Letter::Open(lane));
        stream
    }

    /// The first worker with a free lane; with none, the one with the fewest streams.
    fn pick(&self) -> usize {
        let counts = || self.workers.0.iter().map(|worker| worker.streams.load(Ordering::Relaxed)).enumerate();
        let free = counts().find(|(_, streams)| *streams < MIN_LANES);
        free.or_else(|| counts().min_by_key(|(_, streams)| *streams)).map_or(0, |(at, _)| at)
    }
}

/// Ids are never used again: a letter to a stream that is gone must not reach another.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &self.0 {
            worker.inbox.close();
        }
    }
}

/// What an upload and its worker both see of a stream.
#[derive(Default)]
struct Meter {
    /// Bytes that were pushed and are not hashed.
    pending_bytes: AtomicUsize,
    /// The worker will do no more for this stream.
    ended: AtomicBool,
    room: Notify,
}

impl Meter {
    /// So much was hashed.
    fn hashed(&self, bytes: usize) {
        let before = self.pending_bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before > RESUME_BYTES && before - bytes <= RESUME_BYTES {
            self.room.notify_one();
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.room.notify_one();
    }
}

/// The MD5 of one upload in the making.
pub struct Md5Stream {
    id: u64,
    workers: Arc<Workers>,
    at: usize,
    meter: Arc<Meter>,
    /// The round of the inbox in which this stream last posted.
    told: u64,
}

impl Md5Stream {
    /// Appends bytes, shared with the caller; waits while too many are pending.
    pub async fn push(&mut self, run: Bytes) -> Result<(), LanesFailed> {
        self.meter.pending_bytes.fetch_add(run.len(), Ordering::AcqRel);
        self.post(Letter::Run(run));
        loop {
            if self.meter.ended.load(Ordering::Acquire) {
                return Err(LanesFailed);
            }
            if self.meter.pending_bytes.load(Ordering::Acquire) <= WINDOW_BYTES {
                return Ok(());
            }
            self.meter.room.notified().await;
        }
    }

    /// The MD5 of everything that was pushed.
    pub async fn finish(mut self) -> Result<Md5, LanesFailed> {
        let (answer, digest) = oneshot::channel();
        self.post(Letter::Finish(answer));
        digest.await.map_err(|_failed| LanesFailed)
    }

    fn worker(&self) -> &Worker {
        &self.workers.0[self.at]
    }

    fn post(&mut self, letter: Letter) {
        let worker = &self.workers.0[self.at];
        self.told = worker.inbox.post(self.id, self.told, letter);
    }
}

impl Drop for Md5Stream {
    fn drop(&mut self) {
        self.worker().streams.fetch_sub(1, Ordering::Relaxed);
        self.post(Letter::Gone);
    }
}

#[cfg(test)]
mod tests;
