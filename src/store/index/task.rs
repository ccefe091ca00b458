//! Writes behind: what was recorded goes into the file in batches, off the path of any request.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Command, Shared, file};
use crate::store::StoreError;

/// How long changes gather before they are written: a transaction per change costs more than the change, and changes of
/// neighbours share pages. What a crash takes with it is only not known.
const GATHER: Duration = Duration::from_millis(100);

/// At most so many changes in a transaction.
const MAX_BATCH: usize = 1024;

/// How long the file is left alone after it could not be written or made.
const RETRY: Duration = Duration::from_secs(5);

pub(super) async fn write_behind(
    path: PathBuf,
    writer: SqliteConnection,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut file = Some(writer);
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            () = shared.wake.notified() => {
                sleep(GATHER).await;
                if drain(&path, &mut file, &shared, Pace::Gathering).await == Drained::Failed {
                    sleep(RETRY).await;
                    shared.wake.notify_one();
                }
                continue;
            }
        };
        match command {
            Some(Command::Flush(done)) => {
                drain(&path, &mut file, &shared, Pace::Hurried).await;
                // Whoever asked may have gone away.
                let _gone = done.send(());
            }
            Some(Command::Damaged(seen)) => {
                if seen == shared.rebuilt.load(Ordering::Relaxed) {
                    rebuild(&path, &mut file, &shared).await;
                }
            }
            Some(Command::Close(done)) => {
                drain(&path, &mut file, &shared, Pace::Hurried).await;
                close(&mut file, &shared).await;
                let _gone = done.send(());
                return;
            }
            // Every handle is gone; what waits can still be written.
            None => {
                drain(&path, &mut file, &shared, Pace::Hurried).await;
                close(&mut file, &shared).await;
                return;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Drained {
    All,
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Until less than a batch waits: what came meanwhile has woken the task again, and gathers.
    Gathering,
    /// Until nothing waits.
    Hurried,
}

/// Writes until nothing waits, or as `pace` says, or the file does not take it.
async fn drain(path: &Path, file: &mut Option<SqliteConnection>, shared: &Shared, pace: Pace) -> Drained {
    let mut rebuilds = 0;
    while !shared.overlay().is_empty() {
        let (forgotten, batch) = shared.overlay().batch(MAX_BATCH);
        let result = match file {
            Some(connection) => file::write(connection, &forgotten, &batch).await,
            None => Err(StoreError::Closed),
        };
        match result {
            Ok(()) => {
                let full = batch.len() >= MAX_BATCH;
                shared.overlay().written(forgotten.len(), batch);
                if pace == Pace::Gathering && !full {
                    break;
                }
            }
            Err(StoreError::Corrupt { .. } | StoreError::Closed) if rebuilds == 0 => {
                rebuilds += 1;
                rebuild(path, file, shared).await;
            }
            Err(StoreError::Busy) => return Drained::Failed,
            Err(error) => {
                tracing::warn!(%error, dropped = batch.len(), "the index could not be written");
                shared.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
                shared.overlay().given_up(forgotten.len(), &batch);
                return Drained::Failed;
            }
        }
    }
    Drained::All
}

/// Puts the damaged file aside and makes a new one. What waits is kept: it is newer than the file was.
async fn rebuild(path: &Path, file: &mut Option<SqliteConnection>, shared: &Shared) {
    close(file, shared).await;
    shared.rebuilt.fetch_add(1, Ordering::Relaxed);
    tracing::warn!(index = %path.display(), "the index is damaged and will be filled anew");
    match file::make(path).await {
        Ok(made) => {
            *shared.readers.write().unwrap_or_else(PoisonError::into_inner) = made.readers;
            *file = Some(made.writer);
        }
        Err(error) => tracing::warn!(%error, "the index could not be made; lookups are misses"),
    }
}

async fn close(file: &mut Option<SqliteConnection>, shared: &Shared) {
    shared.overlay().clear_recent();
    let readers = shared.readers.read().unwrap_or_else(PoisonError::into_inner).clone();
    readers.close().await;
    if let Some(connection) = file.take()
        && let Err(error) = connection.close().await
    {
        tracing::debug!(%error, "closing the index");
    }
}
