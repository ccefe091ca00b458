//! The proxy's state in SQLite: what must not be lost, and the [`index`], which may be.
//!
//! Everything secret arrives sealed or wrapped; the store opens nothing. A method that writes returns after its rows are
//! on disk (WAL with `synchronous=FULL`), many callers sharing one fsync ([`writer`]). SQL uses `$n` and nothing that only
//! SQLite has, outside [`sqlite`]: Postgres comes beside it for many proxies.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqlitePool, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use self::bucket_cache::BucketCache;
use self::sqlite::{Blank, Header, Migration, Schema};
use self::writer::Writer;

mod access_keys;
mod bucket_cache;
mod bucket_keys;
mod buckets;
mod copy_uploads;
mod deployment;
mod error;
pub mod index;
mod parts;
mod principals;
mod row;
mod sqlite;
mod uploads;
mod writer;

pub use access_keys::{AccessKeyRow, AccessKeyStatus};
pub use bucket_keys::BucketKeyRow;
pub use buckets::BucketRow;
pub use copy_uploads::CopyUploadRow;
pub use deployment::DeploymentRow;
pub use error::StoreError;
pub use parts::{MAX_ATTEMPTS, PartInserted, PartPlace, PartRow};
pub use principals::{PrincipalKind, PrincipalRow};
pub use uploads::{CompleteBegun, PartBegun, UploadId, UploadMarker, UploadRow, UploadState};

/// Reading connections, each with a thread: requests read a few rows by key, more threads would only wait for the cores.
const READERS: u32 = 4;

const SCHEMA: Schema = Schema {
    // "CKst"
    application_id: 0x434b_7374,
    migrations: &[
        Migration { version: 1, sql: include_str!("migrations/0001_initial.sql") },
        Migration { version: 2, sql: include_str!("migrations/0002_adopted_buckets.sql") },
        Migration { version: 3, sql: include_str!("migrations/0003_copy_uploads.sql") },
    ],
};

/// The database, open. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    readers: SqlitePool,
    known_buckets: Arc<BucketCache>,
    /// Taken by [`Store::close`].
    writer: Mutex<Option<JoinHandle<()>>>,
    queue: std::sync::RwLock<Option<Arc<Writer>>>,
}

impl Store {
    /// Opens the database that `url` (`sqlite:PATH`) names, making it where there is none and migrating an older one.
    /// A newer, foreign or damaged one is refused, and nothing beside it is changed.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(&path_of(url)?, &SCHEMA).await
    }

    /// Opens the database of a server that may be running: one that is there, with exactly this schema. Its caches learn
    /// nothing of what is changed.
    pub async fn open_beside(url: &str) -> Result<Self, StoreError> {
        Self::open_beside_with(&path_of(url)?, &SCHEMA).await
    }

    async fn open_with(path: &Path, schema: &Schema) -> Result<Self, StoreError> {
        let named = |error: StoreError| error.named(&path.display().to_string());
        admit(path, schema).await.map_err(named)?;
        let options = sqlite::options(path, SqliteSynchronous::Full);
        let connection = sqlite::prepare(&options, path, schema).await.map_err(named)?;
        Self::over(path, connection).await
    }

    async fn open_beside_with(path: &Path, schema: &Schema) -> Result<Self, StoreError> {
        let shown = || path.display().to_string();
        let named = |error: StoreError| error.named(&shown());
        if matches!(sqlite::header(path)?, Header::Missing | Header::Empty) {
            return Err(StoreError::Missing { path: shown() });
        }
        admit(path, schema).await.map_err(named)?;
        let options = sqlite::options(path, SqliteSynchronous::Full);
        let mut connection = options.connect().await.map_err(|error| named(error.into()))?;
        let (found, known) = (sqlite::version(&mut connection).await.map_err(named)?, schema.latest());
        match found.cmp(&known) {
            Ordering::Less => Err(StoreError::Older { path: shown(), found, known }),
            Ordering::Equal => Self::over(path, connection).await,
            Ordering::Greater => Err(StoreError::Newer { path: shown(), found, known }),
        }
    }

    async fn over(path: &Path, connection: SqliteConnection) -> Result<Self, StoreError> {
        let named = |error: StoreError| error.named(&path.display().to_string());
        let options = sqlite::options(path, SqliteSynchronous::Full);
        let readers = sqlite::readers(options, READERS).await.map_err(named)?;
        let (queue, task) = Writer::start(connection);
        let inner = Inner {
            path: path.to_owned(),
            readers,
            known_buckets: Arc::default(),
            writer: Mutex::new(Some(task)),
            queue: std::sync::RwLock::new(Some(Arc::new(queue))),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether a reader answers: for /readyz.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").fetch_one(&self.inner.readers).await.map_err(|error| self.named(error.into()))?;
        Ok(())
    }

    /// Ends queued work, then closes the file. Later calls get [`StoreError::Closed`].
    pub async fn close(&self) {
        if let Ok(mut queue) = self.inner.queue.write() {
            queue.take();
        }
        self.inner.readers.close().await;
        if let Some(task) = self.inner.writer.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the database writer broke off");
        }
    }

    async fn write<T, F>(&self, statements: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let queue = self.inner.queue.read().ok().and_then(|queue| queue.clone()).ok_or(StoreError::Closed)?;
        queue.run(statements).await.map_err(|error| self.named(error))
    }

    fn decode_optional<T>(
        &self,
        found: Result<Option<SqliteRow>, sqlx::Error>,
        decode: impl FnOnce(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let row = found.map_err(|error| self.named(error.into()))?;
        row.as_ref().map(decode).transpose().map_err(|error| self.named(error))
    }

    fn decode_all<T>(
        &self,
        found: Result<Vec<SqliteRow>, sqlx::Error>,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = found.map_err(|error| self.named(error.into()))?;
        rows.iter().map(decode).collect::<Result<_, _>>().map_err(|error| self.named(error))
    }

    fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    fn known_buckets(&self) -> &Arc<BucketCache> {
        &self.inner.known_buckets
    }

    fn named(&self, error: StoreError) -> StoreError {
        error.named(&self.inner.path.display().to_string())
    }
}

/// Refuses what is not ours to open, by looking only; makes the file where there is none.
async fn admit(path: &Path, schema: &Schema) -> Result<(), StoreError> {
    let shown = || path.display().to_string();
    match sqlite::header(path)? {
        Header::Missing => sqlite::create_file(path),
        Header::Empty => Ok(()),
        Header::NotSqlite => Err(StoreError::Corrupt { path: shown(), detail: "it is no SQLite database".into() }),
        Header::Sqlite { application_id, schema: found } if application_id == schema.application_id => {
            if found > schema.latest() {
                return Err(StoreError::Newer { path: shown(), found, known: schema.latest() });
            }
            Ok(())
        }
        // The first migration was not finished, or not yet moved out of the log.
        Header::Sqlite { application_id: 0, schema: 0 } if sqlite::is_blank(path).await? == Blank::Yes => Ok(()),
        Header::Sqlite { .. } => Err(StoreError::Foreign { path: shown() }),
    }
}

/// `sqlite:PATH` or `sqlite://PATH`; the path is taken verbatim, nothing in it is decoded.
fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let path = url.strip_prefix("sqlite:").ok_or(StoreError::Url)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') {
        return Err(StoreError::Url);
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests;
