//! Multipart uploads in flight, and for a day the answers of those that were completed.

use std::fmt;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{bytes, number, text, time};
use super::{Store, StoreError};
use crate::base::{BodyId, BucketId, KeyId, ObjectKey, PartNumber, PrincipalId, Timestamp, random};
use crate::envelope::wrap::{Scheme, WrappedDek};

/// The upload id that clients see: 12 hex digits of the time, so that ids sort as S3 lists uploads of one key (by
/// initiation), then 32 random ones, so that nobody guesses it. The upstream's own id is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(String);

/// Its length in characters.
const UPLOAD_ID_CHARS: usize = 44;

impl UploadId {
    /// A fresh one.
    pub fn generate(now: Timestamp) -> Self {
        let millis = u64::try_from(now.unix_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        Self(format!("{millis:012x}{}", hex::encode(random::bytes::<16>())))
    }

    /// From a client; `None` when it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let ours = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == UPLOAD_ID_CHARS && text.bytes().all(ours)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an upload stands.
#[derive(Clone, PartialEq, Eq)]
pub enum UploadState {
    /// Takes parts.
    Open,
    /// A Complete is being worked on, or broke off: no new part begins, Complete may be asked again.
    Completing,
    /// The object is there.
    Completed {
        /// What Complete answered, sealed by the caller.
        sealed_result: Vec<u8>,
        /// When.
        at: Timestamp,
    },
    /// Aborted; the upstream may still have to forget it.
    Aborted {
        /// When.
        at: Timestamp,
    },
}

impl UploadState {
    /// When it ended, where it did.
    const fn finished(&self) -> Option<Timestamp> {
        match self {
            Self::Open | Self::Completing => None,
            Self::Completed { at, .. } | Self::Aborted { at } => Some(*at),
        }
    }
}

/// A multipart upload.
#[derive(Clone)]
pub struct UploadRow {
    /// Ours, shown to clients.
    pub upload_id: UploadId,
    /// In which bucket; the caller compares it with the request's.
    pub bucket_id: BucketId,
    /// Under which key; the caller compares it with the request's.
    pub key: ObjectKey,
    /// The upstream's id.
    pub upstream_upload_id: String,
    /// Made with the DEK.
    pub body_id: BodyId,
    /// The DEK as Create wrapped it; it goes into the trailer.
    pub wrapped_dek: WrappedDek,
    /// Content headers, metadata and checksum declaration, sealed by the caller.
    pub sealed_facts: Vec<u8>,
    /// Who began it.
    pub initiator: PrincipalId,
    /// When it was begun.
    pub created: Timestamp,
    /// The highest part number ever begun; 0 before the first. The footer goes one above it.
    pub highest_part_begun: u16,
    /// Where it stands.
    pub state: UploadState,
}

/// After which upload a listing goes on.
#[derive(Clone, Copy, Debug)]
pub struct UploadMarker<'a> {
    /// S3's key-marker.
    pub key: &'a str,
    /// S3's upload-id-marker: uploads of `key` with greater ids follow. Without it all of `key` are passed.
    pub upload_id: Option<&'a str>,
}

/// What [`Store::begin_part`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartBegun {
    /// Its number is on disk: bytes may go up.
    Begun,
    /// A Complete is being worked on: no part may begin.
    Completing,
    /// No such upload, or no longer open.
    Gone,
}

/// What [`Store::begin_complete`] found.
#[derive(Clone)]
pub enum CompleteBegun {
    /// Complete may go on. From now on no part begins.
    Begun {
        /// The footer goes one above it.
        highest_part_begun: u16,
    },
    /// It was completed before: the answer, sealed.
    Completed {
        /// What Complete answered.
        sealed_result: Vec<u8>,
    },
    /// No such upload, or aborted.
    Gone,
}

const OPEN: i64 = 1;
const COMPLETING: i64 = 2;
const COMPLETED: i64 = 3;
const ABORTED: i64 = 4;

impl Store {
    /// Adds an upload that is open and has no part.
    pub async fn insert_upload(&self, upload: UploadRow) -> Result<(), StoreError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO uploads (upload_id, bucket_id, object_key, upstream_upload_id, body_id, dek_scheme, \
                     dek_key_id, dek_key_version, dek_wrap, sealed_facts, initiator, created, highest_part_begun, state) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 1)",
                )
                .bind(upload.upload_id.0)
                .bind(upload.bucket_id.as_bytes().to_vec())
                .bind(upload.key.as_bytes().to_vec())
                .bind(upload.upstream_upload_id)
                .bind(upload.body_id.as_bytes().to_vec())
                .bind(i64::from(upload.wrapped_dek.scheme().code()))
                .bind(upload.wrapped_dek.key_id().as_bytes().to_vec())
                .bind(i64::from(upload.wrapped_dek.key_version()))
                .bind(upload.wrapped_dek.bytes().to_vec())
                .bind(upload.sealed_facts)
                .bind(upload.initiator.as_bytes().to_vec())
                .bind(upload.created.unix_millis())
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// An upload in any state.
    pub async fn upload(&self, id: &UploadId) -> Result<Option<UploadRow>, StoreError> {
        let found = sqlx::query("SELECT * FROM uploads WHERE upload_id = $1")
            .bind(id.as_str())
            .fetch_optional(self.readers())
            .await;
        self.decode_optional(found, UploadRow::decode)
    }

    /// Up to `max` uploads in flight (open or completing) of a bucket whose keys start with `prefix`, by key in byte
    /// order and then by id, after the marker.
    pub async fn uploads(
        &self,
        bucket: BucketId,
        prefix: &str,
        after: Option<UploadMarker<'_>>,
        max: u32,
    ) -> Result<Vec<UploadRow>, StoreError> {
        // Without an upload id the whole marker key is passed: no id is greater than "~", ours are hexadecimal.
        let (key, id) = after.map_or(("", ""), |marker| (marker.key, marker.upload_id.unwrap_or("~")));
        let found = sqlx::query(
            "SELECT * FROM uploads WHERE bucket_id = $1 AND object_key >= $2 AND ($3 = 1 OR object_key < $4) \
             AND (object_key > $5 OR (object_key = $5 AND upload_id > $6)) AND state IN (1, 2) \
             ORDER BY object_key, upload_id LIMIT $7",
        );
        let end = prefix_end(prefix.as_bytes());
        let found = found
            .bind(bucket.as_bytes().to_vec())
            .bind(prefix.as_bytes())
            .bind(i64::from(end.is_none()))
            .bind(end.unwrap_or_default())
            .bind(key.as_bytes())
            .bind(id)
            .bind(i64::from(max))
            .fetch_all(self.readers())
            .await;
        self.decode_all(found, UploadRow::decode)
    }

    /// Records that bytes of this part are about to go up; MUST be answered before the first of them does, or a footer
    /// could take the part's number. Costs a write only when the number is the highest so far.
    pub async fn begin_part(&self, id: &UploadId, number: PartNumber) -> Result<PartBegun, StoreError> {
        let sql = "SELECT state, highest_part_begun FROM uploads WHERE upload_id = $1";
        let found = sqlx::query(sql).bind(id.as_str()).fetch_optional(self.readers()).await;
        let begun = |row: &SqliteRow| Ok((row.try_get::<i64, _>("state")?, row.try_get("highest_part_begun")?));
        let number = i64::from(number.get());
        match self.decode_optional::<(i64, i64)>(found, begun)? {
            Some((OPEN, highest)) if highest >= number => return Ok(PartBegun::Begun),
            Some((OPEN, _)) => {}
            Some((COMPLETING, _)) => return Ok(PartBegun::Completing),
            Some(_) | None => return Ok(PartBegun::Gone),
        }
        let id = id.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query(
                    "UPDATE uploads SET highest_part_begun = \
                     CASE WHEN highest_part_begun < $1 THEN $1 ELSE highest_part_begun END \
                     WHERE upload_id = $2 AND state = 1",
                )
                .bind(number)
                .bind(id.0)
                .execute(connection)
                .await?;
                // Open a moment ago: a Complete or an abort came first. Asked again, it says which.
                Ok(if done.rows_affected() == 1 { PartBegun::Begun } else { PartBegun::Completing })
            })
        })
        .await
    }

    /// Lets a Complete go on, again too after one that broke off; from now on no part begins.
    pub async fn begin_complete(&self, id: &UploadId) -> Result<CompleteBegun, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE uploads SET state = 2 WHERE upload_id = $1 AND state = 1")
                    .bind(id.as_str())
                    .execute(&mut *connection)
                    .await?;
                let row = sqlx::query("SELECT * FROM uploads WHERE upload_id = $1")
                    .bind(id.as_str())
                    .fetch_optional(connection)
                    .await?;
                let Some(upload) = row.as_ref().map(UploadRow::decode).transpose()? else {
                    return Ok(CompleteBegun::Gone);
                };
                Ok(match upload.state {
                    UploadState::Open | UploadState::Completing => {
                        CompleteBegun::Begun { highest_part_begun: upload.highest_part_begun }
                    }
                    UploadState::Completed { sealed_result, .. } => CompleteBegun::Completed { sealed_result },
                    UploadState::Aborted { .. } => CompleteBegun::Gone,
                })
            })
        })
        .await
    }

    /// After a Complete that failed: parts may begin again.
    pub async fn reopen_upload(&self, id: &UploadId) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE uploads SET state = 1 WHERE upload_id = $1 AND state = 2")
                    .bind(id.0)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// At start, when nobody works on a Complete: opens those that broke off. How many there were.
    pub async fn reopen_all_uploads(&self) -> Result<u64, StoreError> {
        self.write(|connection| {
            Box::pin(async move {
                let done = sqlx::query("UPDATE uploads SET state = 1 WHERE state = 2").execute(connection).await?;
                Ok(done.rows_affected())
            })
        })
        .await
    }

    /// Keeps Complete's answer. The parts stay until [`Store::forget_parts`]. Whether the upload was in flight.
    pub async fn mark_completed(
        &self,
        id: &UploadId,
        sealed_result: Vec<u8>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.finish_upload(id, COMPLETED, Some(sealed_result), at).await
    }

    /// From now on the upload is gone for clients. Whether it was in flight.
    pub async fn mark_aborted(&self, id: &UploadId, at: Timestamp) -> Result<bool, StoreError> {
        self.finish_upload(id, ABORTED, None, at).await
    }

    async fn finish_upload(
        &self,
        id: &UploadId,
        state: i64,
        sealed_result: Option<Vec<u8>>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query(
                    "UPDATE uploads SET state = $1, sealed_result = $2, finished = $3 \
                     WHERE upload_id = $4 AND state IN (1, 2)",
                )
                .bind(state)
                .bind(sealed_result)
                .bind(at.unix_millis())
                .bind(id.0)
                .execute(connection)
                .await?;
                Ok(done.rows_affected() == 1)
            })
        })
        .await
    }

    /// Forgets an upload and its parts. Whether it was there.
    pub async fn delete_upload(&self, id: &UploadId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let done =
                    sqlx::query("DELETE FROM uploads WHERE upload_id = $1").bind(id.0).execute(connection).await?;
                Ok(done.rows_affected() == 1)
            })
        })
        .await
    }

    /// For the sweep: up to `max` completed or aborted uploads that ended before `before`, oldest first, behind `after`.
    pub async fn uploads_finished_before(
        &self,
        before: Timestamp,
        after: Option<&UploadRow>,
        max: u32,
    ) -> Result<Vec<UploadRow>, StoreError> {
        let finished = after.and_then(|upload| upload.state.finished());
        let found = sqlx::query(
            "SELECT * FROM uploads WHERE state IN (3, 4) AND finished < $1 AND (finished, upload_id) > ($2, $3) \
             ORDER BY finished, upload_id LIMIT $4",
        )
        .bind(before.unix_millis())
        .bind(finished.map_or(i64::MIN, Timestamp::unix_millis))
        .bind(after.map_or("", |upload| upload.upload_id.as_str()))
        .bind(i64::from(max))
        .fetch_all(self.readers())
        .await;
        self.decode_all(found, UploadRow::decode)
    }

    /// For the sweep: up to `max` uploads in flight that began before `before`, oldest first, behind `after`.
    pub async fn uploads_begun_before(
        &self,
        before: Timestamp,
        after: Option<&UploadRow>,
        max: u32,
    ) -> Result<Vec<UploadRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM uploads WHERE state IN (1, 2) AND created < $1 AND (created, upload_id) > ($2, $3) \
             ORDER BY created, upload_id LIMIT $4",
        )
        .bind(before.unix_millis())
        .bind(after.map_or(i64::MIN, |upload| upload.created.unix_millis()))
        .bind(after.map_or("", |upload| upload.upload_id.as_str()))
        .bind(i64::from(max))
        .fetch_all(self.readers())
        .await;
        self.decode_all(found, UploadRow::decode)
    }
}

impl UploadRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        let scheme = Scheme::from_code(number(row, "dek_scheme")?).ok_or_else(|| StoreError::odd_row("dek_scheme"))?;
        let key_id = bytes(row, "dek_key_id", KeyId::from_slice)?;
        let wrapped_dek = WrappedDek::new(scheme, key_id, number(row, "dek_key_version")?, row.try_get("dek_wrap")?);
        Ok(Self {
            upload_id: text(row, "upload_id", UploadId::parse)?,
            bucket_id: bytes(row, "bucket_id", BucketId::from_slice)?,
            key: bytes(row, "object_key", |key| ObjectKey::parse(std::str::from_utf8(key).ok()?))?,
            upstream_upload_id: row.try_get("upstream_upload_id")?,
            body_id: bytes(row, "body_id", BodyId::from_slice)?,
            wrapped_dek: wrapped_dek.map_err(|_| StoreError::odd_row("dek_wrap"))?,
            sealed_facts: row.try_get("sealed_facts")?,
            initiator: bytes(row, "initiator", PrincipalId::from_slice)?,
            created: time(row, "created")?,
            highest_part_begun: number(row, "highest_part_begun")?,
            state: match row.try_get("state")? {
                OPEN => UploadState::Open,
                COMPLETING => UploadState::Completing,
                COMPLETED => {
                    UploadState::Completed { sealed_result: row.try_get("sealed_result")?, at: time(row, "finished")? }
                }
                ABORTED => UploadState::Aborted { at: time(row, "finished")? },
                _ => return Err(StoreError::odd_row("state")),
            },
        })
    }
}

/// The first byte string after all that start with `prefix`; `None` when there is none (an empty prefix, or all 0xff).
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
