//! The names file: SQLite in WAL mode with `synchronous=FULL`, so that a commit that returned has been synced. One
//! connection writes ([`writer`]), a few read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqlitePool};

use crate::upstream::UpstreamError;

use super::blob::{BlobStore, sync_dir};
use super::fault::{self, SqlFault};
use super::open::{HeldDir, LAYOUT_VERSION, LocalOpenError};
use super::writer::Writer;

/// In the upstream's directory.
pub(super) const NAMES_FILE: &str = "names.db";

/// Each migration brings the schema from its index to its index + 1 (`PRAGMA user_version`); the reasons are in them.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_names.sql")];
const _: () = assert!(MIGRATIONS.len() == LAYOUT_VERSION as usize, "the marker and the schema carry one number");

/// How long another program (a shell, a backup) may hold the file before a request is answered "unavailable".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers answer in microseconds from the page cache; more of them would only wait for the same two or four cores.
const READERS: u32 = 4;
/// Larger files are not read through at start (a second per GiB or so): SQLite finds their damage when it meets it.
const QUICK_CHECK_MAX_BYTES: u64 = 64 << 20;

/// Readers and the writer.
pub(super) struct Names {
    readers: SqlitePool,
    pub(super) writer: Writer,
}

impl Names {
    /// Opens the names file of a directory, makes it where it is missing, and brings its schema up to date.
    pub(super) async fn open(dir: Arc<HeldDir>, blobs: Arc<BlobStore>) -> Result<Self, LocalOpenError> {
        let path = dir.path.join(NAMES_FILE);
        let failed = |error: sqlx::Error| open_error(&path, &error);
        let io_failed = |error: io::Error| file_error(&path, &error);
        let has_blobs = dir.has_blobs().map_err(io_failed)?;
        match read_header(&path).map_err(io_failed)? {
            Some(header) => check_before_opening(&path, &header).await?,
            // A names file made anew would have every blob swept away.
            None if has_blobs => return Err(corrupt(&path, "it is missing or empty, and there are blobs")),
            None => {}
        }
        let mut connection = writer_options(&path).connect().await.map_err(failed)?;
        let version = schema_version(&mut connection).await.map_err(failed)?;
        if version == 0 && has_blobs {
            return Err(corrupt(&path, "it has no tables, and there are blobs"));
        }
        migrate(&mut connection, version, &path).await?;
        sync_dir(&dir.path).map_err(io_failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options(&path).read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self { readers, writer: Writer::start(connection, dir, blobs) })
    }

    /// A connection to read with.
    pub(super) async fn reader(&self) -> Result<PoolConnection<Sqlite>, UpstreamError> {
        self.readers.acquire().await.map_err(|error| fault::of_sql(&error))
    }

    /// Writes a copy of the names as they are at one moment to `to`, which must not exist.
    pub(super) async fn backup(&self, to: &Path) -> Result<(), UpstreamError> {
        let failed = |error: &io::Error| fault::of_io("back the names up to", to, error);
        if to.try_exists().map_err(|error| failed(&error))? {
            return Err(failed(&io::ErrorKind::AlreadyExists.into()));
        }
        let text = to.to_str().ok_or_else(|| failed(&io::ErrorKind::InvalidInput.into()))?;
        let mut reader = self.reader().await?;
        sqlx::query("VACUUM INTO ?1").bind(text).execute(&mut *reader).await.map_err(|error| fault::of_sql(&error))?;
        // VACUUM INTO does not sync what it writes.
        let to = to.to_owned();
        super::body::blocking(move || {
            let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let synced = File::open(&to).and_then(|file| file.sync_all()).and_then(|()| sync_dir(parent));
            synced.map_err(|error| fault::of_io("sync", &to, &error))
        })
        .await
    }

    /// Ends what is queued, then closes the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
}

/// Refuses a newer or damaged file before the first connection that could change it.
async fn check_before_opening(path: &Path, header: &Header) -> Result<(), LocalOpenError> {
    let Some(version) = header.user_version() else { return Err(corrupt(path, "its header is not SQLite's")) };
    if version > LAYOUT_VERSION {
        return Err(LocalOpenError::Newer { path: path.to_owned(), found: version });
    }
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let bytes = |path: PathBuf| path.metadata().map_or(0, |file| file.len());
    // A rollback journal is there when the very first start was cut off: only a writer can undo that.
    if header.file_bytes > QUICK_CHECK_MAX_BYTES || bytes(beside("-journal")) > 0 {
        return Ok(());
    }
    // Without a log the file is complete and can be read without touching anything, shared memory included.
    let alone = bytes(beside("-wal")) == 0;
    let mut connection =
        options(path).read_only(true).immutable(alone).connect().await.map_err(|error| open_error(path, &error))?;
    let result: Result<String, _> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
    let _ = connection.close().await;
    match result {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(corrupt(path, &answer)),
        Err(error) => Err(open_error(path, &error)),
    }
}

/// The first 100 bytes of an SQLite file (sqlite.org/fileformat2.html, "The Database Header").
struct Header {
    bytes: [u8; 100],
    file_bytes: u64,
}

impl Header {
    fn user_version(&self) -> Option<u32> {
        let version = self.bytes[60..64].try_into().ok().map(u32::from_be_bytes);
        version.filter(|_| self.bytes.starts_with(b"SQLite format 3\0"))
    }
}

/// `None` when the file is missing or empty: SQLite makes it so before its first transaction.
fn read_header(path: &Path) -> io::Result<Option<Header>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let file_bytes = file.metadata()?.len();
    let mut bytes = [0; 100];
    if file_bytes >= bytes.len() as u64 {
        file.read_exact(&mut bytes)?;
    }
    Ok((file_bytes > 0).then_some(Header { bytes, file_bytes }))
}

async fn schema_version(connection: &mut SqliteConnection) -> Result<u32, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

async fn migrate(connection: &mut SqliteConnection, from: u32, path: &Path) -> Result<(), LocalOpenError> {
    let failed = |error: sqlx::Error| open_error(path, &error);
    if from > LAYOUT_VERSION {
        return Err(LocalOpenError::Newer { path: path.to_owned(), found: from });
    }
    if (1..LAYOUT_VERSION).contains(&from) {
        let backup = format!("{}.layout-{from}", path.display());
        sqlx::query("VACUUM INTO ?1").bind(&backup).execute(&mut *connection).await.map_err(failed)?;
        File::open(&backup).and_then(|file| file.sync_all()).map_err(|error| file_error(path, &error))?;
    }
    for (version, migration) in (1_u32..).zip(MIGRATIONS).skip(from as usize) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(failed)?;
        let set_version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {version}"));
        sqlx::raw_sql(set_version).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

fn open_error(path: &Path, error: &sqlx::Error) -> LocalOpenError {
    let (path, detail) = (path.to_owned(), error.to_string());
    match SqlFault::of(error) {
        SqlFault::Corrupt => LocalOpenError::Corrupt { path, detail },
        SqlFault::Busy => LocalOpenError::InUse { path },
        SqlFault::Full | SqlFault::Passing | SqlFault::Other => LocalOpenError::Failed { path, detail },
    }
}

fn corrupt(path: &Path, detail: &str) -> LocalOpenError {
    LocalOpenError::Corrupt { path: path.to_owned(), detail: detail.to_owned() }
}

fn file_error(path: &Path, error: &io::Error) -> LocalOpenError {
    LocalOpenError::Failed { path: path.to_owned(), detail: error.to_string() }
}
