//! SQLite files: what is in front of us before it is touched, how connections are set, migrations with their backup.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::error::StoreError;
use crate::base::directory;

/// How long a statement waits for another process's lock. Clients retry a 503; they do not wait for minutes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two tries at a lock that SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// One step of the schema: the SQL that leads to `version`.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) sql: &'static str,
}

/// What a file of ours is recognised by.
pub(super) struct Schema {
    /// SQLite's application id, at offset 68 of the file: tells our files from other programs'.
    pub(super) application_id: i64,
    /// Rising by one from 1.
    pub(super) migrations: &'static [Migration],
}

impl Schema {
    pub(super) fn latest(&self) -> i64 {
        self.migrations.last().map_or(0, |migration| migration.version)
    }
}

/// What the first bytes of a file say, read without SQLite, which would leave files of its own beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    Missing,
    /// Made and not yet written to: a start that broke off.
    Empty,
    Sqlite {
        application_id: i64,
        schema: i64,
    },
    NotSqlite,
}

/// SQLite's file format: 100 bytes, of which we read the magic, user_version (60) and application_id (68).
const HEADER_BYTES: u64 = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

pub(super) fn header(path: &Path) -> Result<Header, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Header::Missing),
        Err(error) => return Err(io(path, &error)),
    };
    let mut bytes = Vec::new();
    file.by_ref().take(HEADER_BYTES).read_to_end(&mut bytes).map_err(|error| io(path, &error))?;
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(|word| i64::from(u32::from_be_bytes(word)));
    Ok(match (word(60), word(68)) {
        _ if bytes.is_empty() => Header::Empty,
        (Some(schema), Some(application_id)) if bytes.starts_with(MAGIC) => Header::Sqlite { application_id, schema },
        _ => Header::NotSqlite,
    })
}

/// Makes an empty file that only its owner may read, in a directory that only its owner may enter; durable on return.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    let parent = parent(path);
    directory::make_private(&parent).map_err(|error| io(&parent, &error))?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file.sync_all().map_err(|error| io(path, &error))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(path, &error)),
    }
    sync_directory(&parent)
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(|error| io(directory, &error))
}

pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

pub(super) fn io(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io(format!("{}: {error}", path.display())),
    }
}

/// The settings of every connection. Statements are not logged: their text is ours, their timing is in the metrics.
pub(super) fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// A connection to a sound file of the latest schema.
///
/// SQLite does not wait for the lock that a change to WAL, or the end of a log, needs: it answers BUSY at once, whatever
/// `busy_timeout` says (sqlite.org/wal.html). Two first starts meet there, so the whole is repeated for as long.
pub(super) async fn prepare(
    options: &SqliteConnectOptions,
    path: &Path,
    schema: &Schema,
) -> Result<SqliteConnection, StoreError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match prepare_once(options, path, schema).await {
            Err(StoreError::Busy) if Instant::now() < deadline => tokio::time::sleep(BUSY_PAUSE).await,
            other => return other,
        }
    }
}

async fn prepare_once(
    options: &SqliteConnectOptions,
    path: &Path,
    schema: &Schema,
) -> Result<SqliteConnection, StoreError> {
    let mut connection = options.connect().await?;
    check(&mut connection).await?;
    migrate(&mut connection, path, schema).await?;
    Ok(connection)
}

/// Connections that can only read; each has a thread of its own.
pub(super) async fn readers(options: SqliteConnectOptions, count: u32) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(count)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    Ok(pool.connect_with(options.pragma("query_only", "ON")).await?)
}

/// The schema version as SQL sees it, the write-ahead log included (the header alone may be older).
pub(super) async fn version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query("PRAGMA user_version").fetch_one(connection).await?.try_get(0)?)
}

/// Whether a file without our application id holds nothing at all: then it is ours to fill. Opened as immutable, so
/// that looking at another program's database leaves no trace.
pub(super) async fn is_blank(path: &Path) -> Result<Blank, StoreError> {
    let options =
        SqliteConnectOptions::new().filename(path).read_only(true).immutable(true).disable_statement_logging();
    let mut connection = options.connect().await?;
    let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_master").fetch_one(&mut connection).await?.try_get(0)?;
    connection.close().await?;
    Ok(if tables == 0 { Blank::Yes } else { Blank::No })
}

/// Whether a database has no table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blank {
    Yes,
    No,
}

/// Reads the whole structure (not every row's order in its indexes); damage is an error.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: String = sqlx::query("PRAGMA quick_check(1)").fetch_one(connection).await?.try_get(0)?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: String::new(), detail: found.replace(['\n', '\r'], " ") })
}

/// Brings the schema to its latest version, each step whole or not at all. A database that holds something is copied
/// to `<file>.before-v<N>` first, and not touched when that fails.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path, schema: &Schema) -> Result<(), StoreError> {
    let found = version(connection).await?;
    if found > schema.latest() {
        return Err(StoreError::Newer { path: path.display().to_string(), found, known: schema.latest() });
    }
    if found == schema.latest() {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, schema.latest()).await?;
    }
    for migration in schema.migrations.iter().filter(|migration| migration.version > found) {
        let mut step = connection.begin_with("BEGIN IMMEDIATE").await?;
        // Another process that starts now may have been quicker.
        if version(&mut step).await? >= migration.version {
            step.rollback().await?;
            continue;
        }
        sqlx::raw_sql(migration.sql).execute(&mut *step).await?;
        let stamp =
            format!("PRAGMA application_id = {}; PRAGMA user_version = {}", schema.application_id, migration.version);
        sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *step).await?;
        step.commit().await?;
    }
    // The header must tell the version to a binary that refuses this file before opening it.
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await?;
    Ok(())
}

/// A copy beside the file, whole and on disk before its name appears.
async fn back_up(connection: &mut SqliteConnection, path: &Path, version: i64) -> Result<(), StoreError> {
    let copy = with_suffix(path, &format!(".before-v{version}"));
    let unfinished = with_suffix(path, ".backup-unfinished");
    remove_if_there(&unfinished)?;
    // VACUUM INTO fills an empty file that is there; made by us, it is readable by its owner only.
    create_file(&unfinished)?;
    let Some(target) = unfinished.to_str() else { return Err(StoreError::Url) };
    sqlx::query("VACUUM INTO $1").bind(target).execute(connection).await?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(|error| io(&unfinished, &error))?;
    fs::rename(&unfinished, &copy).map_err(|error| io(&copy, &error))?;
    sync_directory(&parent(path))?;
    tracing::info!(backup = %copy.display(), "database copied before its migration");
    Ok(())
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(path, &error)),
        _ => Ok(()),
    }
}

/// `path` with something after its name, whatever the name holds.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
