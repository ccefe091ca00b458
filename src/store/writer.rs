//! The one writer: what is queued when it comes round goes into one transaction, so many callers share one fsync.
//!
//! A caller gets its answer after the commit, never before. Each caller's statements run inside a savepoint of their own:
//! a failing one takes back its own work and nobody else's. A caller that goes away does not take its work with it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::StoreError;

/// At most so many callers share a transaction: a commit stays short, so that the first of them does not wait for long.
const MAX_BATCH: usize = 128;

/// At most so many callers wait for the writer; more than that is overload, answered by [`StoreError::Busy`].
const MAX_QUEUED: usize = 1024;

/// How long a caller waits for a place in the queue.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Work>>,
}

impl Writer {
    /// Takes the connection over. The task ends when the writer is dropped, after all queued work.
    pub(super) fn start(connection: SqliteConnection) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(MAX_QUEUED);
        (Self { queue }, tokio::spawn(write(connection, jobs)))
    }

    /// Runs `statements` and answers once they are committed. They see the database without a transaction of their own.
    pub(super) async fn run<T, F>(&self, statements: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { statements: Some(statements), outcome: None, reply });
        match timeout(QUEUE_WAIT, self.queue.send(job)).await {
            Err(_elapsed) => Err(StoreError::Busy),
            Ok(Err(_closed)) => Err(StoreError::Closed),
            Ok(Ok(())) => answer.await.unwrap_or(Err(StoreError::Closed)),
        }
    }
}

/// A caller's statements with the type of their result erased.
trait Work: Send {
    /// Runs them; the error, if any, is also the caller's answer.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), StoreError>>;
    /// Answers the caller.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Job<T, F> {
    statements: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(statements) = self.statements.take() else { return Err(StoreError::Closed) };
            let result = statements(connection).await;
            let own = result.as_ref().map(|_value| ()).map_err(StoreError::clone);
            self.outcome = Some(result);
            own
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.outcome, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(shared)) => Err(shared),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // A caller that has gone away is no fault.
        let _gone = self.reply.send(result);
    }
}

async fn write(mut connection: SqliteConnection, mut jobs: mpsc::Receiver<Box<dyn Work>>) {
    while let Some(first) = jobs.recv().await {
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        let committed = commit(&mut connection, &mut batch).await;
        if committed.is_err() {
            // Fails when SQLite has rolled back by itself: that is what we want.
            let _rolled_back = execute(&mut connection, "ROLLBACK").await;
        }
        for job in batch {
            job.finish(committed.clone());
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing the database");
    }
}

async fn commit(connection: &mut SqliteConnection, batch: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    for job in batch {
        execute(connection, "SAVEPOINT caller").await?;
        if let Err(own) = job.run(connection).await {
            // A full disk makes SQLite roll back the whole transaction: the savepoint is gone, the others failed as well.
            execute(connection, "ROLLBACK TO caller").await.map_err(|_no_savepoint| own)?;
        }
        execute(connection, "RELEASE caller").await?;
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}
