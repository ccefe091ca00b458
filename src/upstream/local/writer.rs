//! The one writer of the names file. Changes queue up; those that wait together are committed together, so that many
//! PUTs share one sync. Each change stands or falls alone, by a savepoint.
//!
//! Blobs follow the commit: a change's fresh blob is handed over before COMMIT is sent, because afterwards nobody can
//! be sure that it was not committed; blobs that a change took the name from are removed after it returned.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::upstream::UpstreamError;

use super::blob::{BlobName, BlobStore, FreshBlob};
use super::fault::{self, NamesError, SqlFault};
use super::open::HeldDir;

/// Changes that wait for the writer; more wait with their callers.
const QUEUE: usize = 1024;
/// Changes in one commit: enough that the sync is shared, few enough that the first one does not wait long.
const MAX_BATCH: usize = 128;

/// What a change does to the room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoomEffect {
    /// It takes some; refused when the disk is full.
    Takes,
    /// It frees some: the reserve is given up for it when the disk is full.
    Frees,
}

/// A change of the names, run inside a transaction; again from the start when that one could not be committed.
#[async_trait]
pub(super) trait Change: Send + Sync + 'static {
    /// What the caller learns.
    type Answer: Send + 'static;
    /// What it does to the room on the disk.
    const ROOM: RoomEffect;
    /// Makes the change. Blobs that lose their last name go into `unnamed`.
    async fn apply(
        &self,
        names: &mut SqliteConnection,
        unnamed: &mut Vec<BlobName>,
    ) -> Result<Self::Answer, NamesError>;
}

enum Message {
    Change(Box<dyn Queued>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the writer; it holds the directory until it ends.
    pub(super) fn start(names: SqliteConnection, dir: Arc<HeldDir>, blobs: Arc<BlobStore>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(Committer { names, blobs }.run(waiting, dir));
        Self { queue }
    }

    /// Makes a change durable. It may be made even when the caller is dropped meanwhile.
    pub(super) async fn commit<C: Change>(&self, change: C) -> Result<C::Answer, UpstreamError> {
        self.send(change, None).await
    }

    /// As [`Writer::commit`], for a change that names a fresh blob.
    pub(super) async fn publish<C: Change>(&self, change: C, blob: FreshBlob) -> Result<C::Answer, UpstreamError> {
        self.send(change, Some(blob)).await
    }

    async fn send<C: Change>(&self, change: C, blob: Option<FreshBlob>) -> Result<C::Answer, UpstreamError> {
        let gone = || UpstreamError::Unavailable("the names file is being closed".into());
        let (reply, answer) = oneshot::channel();
        let entry = Entry { change, blob, reply, outcome: None, unnamed: Vec::new(), doubt: Doubt::None };
        self.queue.send(Message::Change(Box::new(entry))).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Commits what is queued, refuses what comes later, and lets go of the directory.
    pub(super) async fn close(&self) {
        let (closed, done) = oneshot::channel();
        if self.queue.send(Message::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// A change in the queue, whatever its answer.
#[async_trait]
trait Queued: Send {
    fn room(&self) -> RoomEffect;
    async fn apply(&mut self, names: &mut SqliteConnection) -> Result<Step, sqlx::Error>;
    /// COMMIT is about to be sent.
    fn hand_over(&mut self);
    /// The transaction was not committed, as far as `doubt` allows to say.
    fn rolled_back(&mut self, doubt: Doubt);
    fn committed(self: Box<Self>, blobs: &BlobStore);
    fn failed(self: Box<Self>, error: UpstreamError);
}

/// Whether a change wants to be in the commit.
enum Step {
    Made,
    Refused,
}

/// What is known of a commit that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// It left no trace.
    None,
    /// Its last write may be on the disk: a blob it names stays, and the next start decides.
    Outcome,
}

struct Entry<C: Change> {
    change: C,
    blob: Option<FreshBlob>,
    reply: oneshot::Sender<Result<C::Answer, UpstreamError>>,
    outcome: Option<Result<C::Answer, UpstreamError>>,
    unnamed: Vec<BlobName>,
    doubt: Doubt,
}

#[async_trait]
impl<C: Change> Queued for Entry<C> {
    fn room(&self) -> RoomEffect {
        C::ROOM
    }

    async fn apply(&mut self, names: &mut SqliteConnection) -> Result<Step, sqlx::Error> {
        self.unnamed.clear();
        match self.change.apply(names, &mut self.unnamed).await {
            Ok(answer) => {
                self.outcome = Some(Ok(answer));
                Ok(Step::Made)
            }
            Err(NamesError::Refused(error)) => {
                self.unnamed.clear();
                self.outcome = Some(Err(error));
                Ok(Step::Refused)
            }
            Err(NamesError::Sql(error)) => Err(error),
        }
    }

    fn hand_over(&mut self) {
        if let (Some(blob), Some(Ok(_))) = (&mut self.blob, &self.outcome) {
            blob.hand_over();
        }
    }

    fn rolled_back(&mut self, doubt: Doubt) {
        if doubt == Doubt::Outcome {
            self.doubt = Doubt::Outcome;
        }
        if let (Some(blob), Doubt::None) = (&mut self.blob, self.doubt) {
            blob.take_back();
        }
    }

    fn committed(mut self: Box<Self>, blobs: &BlobStore) {
        blobs.remove(self.unnamed.drain(..));
        if let Some(outcome) = self.outcome.take() {
            // A caller that has gone no longer wants to know.
            let _ = self.reply.send(outcome);
        }
    }

    fn failed(self: Box<Self>, error: UpstreamError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Why a transaction was not committed.
struct Failure {
    error: sqlx::Error,
    doubt: Doubt,
}

impl Failure {
    /// Before COMMIT was sent.
    fn early(error: sqlx::Error) -> Self {
        Self { error, doubt: Doubt::None }
    }

    /// COMMIT itself failed. "Full" and "busy" are told before the commit record is written.
    fn late(error: sqlx::Error) -> Self {
        let doubt = match SqlFault::of(&error) {
            SqlFault::Full | SqlFault::Busy => Doubt::None,
            SqlFault::Passing | SqlFault::Corrupt | SqlFault::Other => Doubt::Outcome,
        };
        Self { error, doubt }
    }
}

struct Committer {
    names: SqliteConnection,
    blobs: Arc<BlobStore>,
}

impl Committer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Message>, dir: Arc<HeldDir>) {
        let mut closed = None;
        while let Some(message) = waiting.recv().await {
            let mut batch = Vec::new();
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Change(change) => batch.push(change),
                    Message::Close(done) => {
                        waiting.close();
                        closed = Some(done);
                    }
                }
                next = if batch.len() < MAX_BATCH { waiting.try_recv().ok() } else { None };
            }
            self.commit(batch).await;
        }
        if let Err(error) = self.names.close().await {
            tracing::warn!(%error, "the names file was not closed cleanly");
        }
        drop(dir);
        if let Some(done) = closed {
            let _ = done.send(());
        }
    }

    /// Together where that works; alone where something failed, so that each caller learns of its own failure only.
    async fn commit(&mut self, mut batch: Vec<Box<dyn Queued>>) {
        match self.attempt(&mut batch).await {
            Ok(()) => batch.into_iter().for_each(|change| change.committed(&self.blobs)),
            // SQLite has waited for the other program; to wait again for each change would add up to minutes.
            Err(failure) if SqlFault::of(&failure.error) == SqlFault::Busy => {
                tracing::warn!(error = %failure.error, changes = batch.len(), "the names file is held by another program");
                batch.into_iter().for_each(|change| change.failed(fault::of_sql(&failure.error)));
            }
            Err(_) => {
                for change in batch {
                    self.commit_alone(change).await;
                }
            }
        }
    }

    async fn commit_alone(&mut self, change: Box<dyn Queued>) {
        let mut alone = [change];
        let mut result = self.attempt(&mut alone).await;
        let is_full = |result: &Result<(), Failure>| {
            result.as_ref().is_err_and(|failure| SqlFault::of(&failure.error) == SqlFault::Full)
        };
        if is_full(&result) && alone[0].room() == RoomEffect::Frees && self.give_up_reserve().await {
            result = self.attempt(&mut alone).await;
        }
        let [change] = alone;
        match result {
            Ok(()) => change.committed(&self.blobs),
            Err(failure) => {
                tracing::warn!(error = %failure.error, doubt = ?failure.doubt, "a change of the names failed");
                change.failed(fault::of_sql(&failure.error));
            }
        }
    }

    async fn attempt(&mut self, batch: &mut [Box<dyn Queued>]) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let result = self.transaction(batch).await;
        if let Err(failure) = &result {
            // SQLite may have rolled back by itself already; then this fails, and that is fine.
            let _ = self.execute("ROLLBACK").await;
            batch.iter_mut().for_each(|change| change.rolled_back(failure.doubt));
        }
        result
    }

    async fn transaction(&mut self, batch: &mut [Box<dyn Queued>]) -> Result<(), Failure> {
        self.execute("BEGIN IMMEDIATE").await.map_err(Failure::early)?;
        for change in &mut *batch {
            self.execute("SAVEPOINT change").await.map_err(Failure::early)?;
            match change.apply(&mut self.names).await.map_err(Failure::early)? {
                Step::Made => {}
                Step::Refused => self.execute("ROLLBACK TO change").await.map_err(Failure::early)?,
            }
            self.execute("RELEASE change").await.map_err(Failure::early)?;
        }
        batch.iter_mut().for_each(|change| change.hand_over());
        self.execute("COMMIT").await.map_err(Failure::late)
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(&mut self.names).await.map(|_| ())
    }

    async fn give_up_reserve(&self) -> bool {
        let room = Arc::clone(&self.blobs.room);
        tokio::task::spawn_blocking(move || room.give_up_reserve()).await.unwrap_or(false)
    }
}
