//! The index's file: opened, or put aside and made anew; its SQL.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use sqlx::sqlite::{SqlitePool, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::overlay::Pending;
use super::{IndexRow, Place, batch};
use crate::base::{BucketId, FooterId, KeyId, ObjectKey};
use crate::store::error::StoreError;
use crate::store::row::{bytes, number};
use crate::store::sqlite::{self, Header, Migration, Schema, with_suffix};

/// Reading connections, each with a thread.
const READERS: u32 = 4;

/// Files up to this length are checked whole when they are opened; that takes a fraction of a second. Damage in larger
/// ones is found when it is read.
const CHECKED_BYTES: u64 = 64 << 20;

const SCHEMA: Schema = Schema {
    // "CKix"
    application_id: 0x434b_6978,
    // One step only: the number rises with every change, and older files are put aside.
    migrations: &[Migration { version: 1, sql: include_str!("../migrations/index.sql") }],
};

/// The file, open.
pub(super) struct IndexFile {
    pub(super) writer: SqliteConnection,
    pub(super) readers: SqlitePool,
}

/// How the file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Sound,
    New,
    /// Damaged or of another version: put aside.
    Rebuilt,
}

/// Opens the file. One that is damaged, of another version or of another program is put aside as `<file>.old`.
pub(super) async fn open(path: &Path) -> Result<(IndexFile, Found), StoreError> {
    let found = match sqlite::header(path)? {
        Header::Missing | Header::Empty => Found::New,
        Header::Sqlite { application_id, schema }
            if (application_id, schema) == (SCHEMA.application_id, SCHEMA.latest()) =>
        {
            match connect(path, Check::Short).await {
                Ok(file) => return Ok((file, Found::Sound)),
                Err(later @ (StoreError::Busy | StoreError::Full)) => return Err(later),
                // Damage shows in many ways; nothing in the file is worth asking which.
                Err(error) => {
                    tracing::warn!(index = %path.display(), %error, "the index is damaged and will be filled anew");
                    Found::Rebuilt
                }
            }
        }
        Header::Sqlite { .. } | Header::NotSqlite => {
            tracing::warn!(index = %path.display(), "the index has another form and will be filled anew");
            Found::Rebuilt
        }
    };
    Ok((make(path).await?, found))
}

/// Puts aside what is there and makes an empty file.
pub(super) async fn make(path: &Path) -> Result<IndexFile, StoreError> {
    match fs::rename(path, with_suffix(path, ".old")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(sqlite::io(path, &error)),
        _ => {}
    }
    for log in ["-wal", "-shm"] {
        sqlite::remove_if_there(&with_suffix(path, log))?;
    }
    sqlite::create_file(path)?;
    connect(path, Check::None).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Short,
    None,
}

async fn connect(path: &Path, check: Check) -> Result<IndexFile, StoreError> {
    // NORMAL: a power cut may take the last rows, which are then misses; it never damages the file.
    let options = sqlite::options(path, SqliteSynchronous::Normal);
    let mut writer = options.connect().await?;
    if check == Check::Short && fs::metadata(path).is_ok_and(|facts| facts.len() <= CHECKED_BYTES) {
        sqlite::check(&mut writer).await?;
    }
    sqlite::migrate(&mut writer, path, &SCHEMA).await?;
    Ok(IndexFile { writer, readers: sqlite::readers(options, READERS).await? })
}

/// Writes a batch as one transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    forgotten: &[BucketId],
    batch: &[(Place, Pending)],
) -> Result<(), StoreError> {
    let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
    for bucket in forgotten {
        for sql in ["DELETE FROM objects WHERE bucket_id = $1", "DELETE FROM footers WHERE bucket_id = $1"] {
            sqlx::query(sql).bind(&bucket.as_bytes()[..]).execute(&mut *all).await?;
        }
    }
    batch::write(&mut all, batch).await?;
    all.commit().await?;
    Ok(())
}

/// The footer of the current object, where it has this upstream ETag.
pub(super) async fn footer(
    readers: &SqlitePool,
    place: &Place,
    upstream_etag: &str,
) -> Result<Option<Bytes>, StoreError> {
    let row = sqlx::query(
        "SELECT footer FROM footers WHERE bucket_id = $1 AND object_key = $2 AND version = $3 AND upstream_etag = $4",
    )
    .bind(&place.bucket_id.as_bytes()[..])
    .bind(place.key.as_bytes())
    .bind(&*place.version)
    .bind(upstream_etag)
    .fetch_optional(readers)
    .await?;
    Ok(row.map(|row| row.try_get::<Vec<u8>, _>("footer")).transpose()?.map(Bytes::from))
}

/// The current object and, where it has one of the same upstream ETag, its footer; in one query.
pub(super) async fn object(
    readers: &SqlitePool,
    place: &Place,
) -> Result<Option<(IndexRow, Option<Bytes>)>, StoreError> {
    let row = sqlx::query(
        "SELECT objects.*, footers.footer AS footer FROM objects LEFT JOIN footers \
         ON footers.bucket_id = objects.bucket_id AND footers.object_key = objects.object_key \
         AND footers.version = objects.version AND footers.upstream_etag = objects.upstream_etag \
         WHERE objects.bucket_id = $1 AND objects.object_key = $2 AND objects.version = $3",
    )
    .bind(&place.bucket_id.as_bytes()[..])
    .bind(place.key.as_bytes())
    .bind(&*place.version)
    .fetch_optional(readers)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((decode(&row)?, row.try_get::<Option<Vec<u8>>, _>("footer")?.map(Bytes::from))))
}

fn decode(row: &SqliteRow) -> Result<IndexRow, StoreError> {
    Ok(IndexRow {
        bucket_id: bytes(row, "bucket_id", BucketId::from_slice)?,
        key: bytes(row, "object_key", |key| ObjectKey::parse(std::str::from_utf8(key).ok()?))?,
        version: row.try_get::<String, _>("version")?.into(),
        upstream_etag: row.try_get("upstream_etag")?,
        stored_bytes: number(row, "stored_bytes")?,
        plaintext_bytes: number(row, "plaintext_bytes")?,
        sealed_facts: row.try_get::<Vec<u8>, _>("sealed_facts")?.into(),
        footer_id: bytes(row, "footer_id", FooterId::from_slice)?,
        key_id: bytes(row, "key_id", KeyId::from_slice)?,
        key_version: number(row, "key_version")?,
    })
}
