//! Parts of uploads in flight: one row per attempt, told apart by its salt.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{bytes, number, signed, time};
use super::{Store, StoreError, UploadId};
use crate::base::{PartNumber, Timestamp};

/// How many finished attempts of one part number are kept. Several are needed, because the upstream's ListParts decides
/// which of two concurrent attempts is the part; without a limit a client that sends one part forever fills the disk.
pub const MAX_ATTEMPTS: i64 = 32;

/// In the place of an upstream ETag that is not known yet; a real one is never empty.
const NO_ETAG: &str = "";

/// Where an attempt's ciphertext is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartPlace {
    /// Its last bytes are about to go up to the upstream, or went up and the answer never came.
    Sent,
    /// A part at the upstream, with this upstream ETag.
    Upstream(String),
    /// Held back: a temporary object of this key in the internal bucket.
    Held(String),
}

/// An attempt at a part.
#[derive(Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Its number.
    pub number: PartNumber,
    /// Its salt; names the attempt.
    pub salt: [u8; 24],
    /// Plaintext length.
    pub plaintext_bytes: u64,
    /// Its MD5 and checksums, sealed by the caller.
    pub sealed_digests: Vec<u8>,
    /// Where its ciphertext is.
    pub place: PartPlace,
    /// Stored length.
    pub stored_bytes: u64,
    /// Rising within an upload, in the order in which rows were last written; given by [`Store::insert_part`] and
    /// [`Store::answer_part`].
    pub finished_seq: u64,
    /// When it finished; S3's LastModified.
    pub modified: Timestamp,
}

/// What [`Store::insert_part`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInserted {
    /// The row's place in the order.
    pub finished_seq: u64,
    /// Held-back objects of old attempts whose rows were dropped: nothing names them any more, delete them.
    pub dropped_held_keys: Vec<String>,
}

impl Store {
    /// Adds an attempt (`finished_seq` is given here). [`StoreError::NoParent`] when the upload is gone or over.
    pub async fn insert_part(&self, upload: &UploadId, part: PartRow) -> Result<PartInserted, StoreError> {
        let upload = upload.as_str().to_owned();
        let plaintext_bytes = signed(part.plaintext_bytes, "plaintext_bytes")?;
        let stored_bytes = signed(part.stored_bytes, "stored_bytes")?;
        self.write(move |connection| {
            Box::pin(async move {
                let (etag, held) = match part.place {
                    PartPlace::Sent => (Some(NO_ETAG.to_owned()), None),
                    PartPlace::Upstream(etag) => (Some(etag), None),
                    PartPlace::Held(key) => (None, Some(key)),
                };
                let inserted = sqlx::query(
                    "INSERT INTO parts (upload_id, number, salt, plaintext_bytes, sealed_digests, upstream_etag, \
                     held_key, stored_bytes, modified, finished_seq) \
                     SELECT upload_id, $2, $3, $4, $5, $6, $7, $8, $9, \
                     COALESCE((SELECT MAX(finished_seq) FROM parts WHERE upload_id = $1), 0) + 1 \
                     FROM uploads WHERE upload_id = $1 AND state IN (1, 2) RETURNING finished_seq",
                )
                .bind(&upload)
                .bind(i64::from(part.number.get()))
                .bind(part.salt.to_vec())
                .bind(plaintext_bytes)
                .bind(part.sealed_digests)
                .bind(etag)
                .bind(held)
                .bind(stored_bytes)
                .bind(part.modified.unix_millis())
                .fetch_optional(&mut *connection)
                .await?
                .ok_or(StoreError::NoParent)?;
                let dropped = sqlx::query(
                    "DELETE FROM parts WHERE upload_id = $1 AND number = $2 AND finished_seq <= (SELECT finished_seq \
                     FROM parts WHERE upload_id = $1 AND number = $2 ORDER BY finished_seq DESC LIMIT 1 OFFSET $3) \
                     RETURNING held_key",
                )
                .bind(&upload)
                .bind(i64::from(part.number.get()))
                .bind(MAX_ATTEMPTS)
                .fetch_all(connection)
                .await?;
                let held = dropped.iter().map(|row| row.try_get::<Option<String>, _>("held_key"));
                Ok(PartInserted {
                    finished_seq: number(&inserted, "finished_seq")?,
                    dropped_held_keys: held.filter_map(Result::transpose).collect::<Result<_, _>>()?,
                })
            })
        })
        .await
    }

    /// Puts the upstream's answer to an attempt that was [`PartPlace::Sent`] into its row, which becomes the last one.
    /// [`StoreError::NoParent`] when the upload is gone or over, or so many others came meanwhile that the row is.
    pub async fn answer_part(
        &self,
        upload: &UploadId,
        number: PartNumber,
        salt: [u8; 24],
        etag: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let upload = upload.as_str().to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                let done = sqlx::query(
                    "UPDATE parts SET upstream_etag = $1, modified = $2, \
                     finished_seq = (SELECT MAX(finished_seq) FROM parts WHERE upload_id = $3) + 1 \
                     WHERE upload_id = $3 AND number = $4 AND salt = $5 \
                     AND EXISTS (SELECT 1 FROM uploads WHERE upload_id = $3 AND state IN (1, 2))",
                )
                .bind(etag)
                .bind(at.unix_millis())
                .bind(upload)
                .bind(i64::from(number.get()))
                .bind(salt.to_vec())
                .execute(connection)
                .await?;
                if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NoParent) }
            })
        })
        .await
    }

    /// All attempts of up to `max` part numbers above `after` (0 for all), by number and then in the order in which they
    /// finished. Several rows of one number: the upstream's ListParts decides.
    pub async fn parts(&self, upload: &UploadId, after: u16, max: u32) -> Result<Vec<PartRow>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM parts WHERE upload_id = $1 AND number > $2 AND number <= (SELECT MAX(number) FROM \
             (SELECT DISTINCT number FROM parts WHERE upload_id = $1 AND number > $2 ORDER BY number LIMIT $3) AS page) \
             ORDER BY number, finished_seq",
        )
        .bind(upload.as_str())
        .bind(i64::from(after))
        .bind(i64::from(max))
        .fetch_all(self.readers())
        .await;
        self.decode_all(found, PartRow::decode)
    }

    /// Removes all parts of an upload, once their held-back objects are deleted.
    pub async fn forget_parts(&self, upload: &UploadId) -> Result<(), StoreError> {
        let upload = upload.as_str().to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query("DELETE FROM parts WHERE upload_id = $1").bind(upload).execute(connection).await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether any part's row names this held-back object: the sweep of `tmp/` deletes only what none does.
    pub async fn is_held(&self, held_key: &str) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT 1 FROM parts WHERE held_key = $1 LIMIT 1")
            .bind(held_key)
            .fetch_optional(self.readers())
            .await;
        Ok(self.decode_optional(found, |_row| Ok(()))?.is_some())
    }
}

impl PartRow {
    fn decode(row: &SqliteRow) -> Result<Self, StoreError> {
        let place = match (row.try_get::<Option<String>, _>("upstream_etag")?, row.try_get("held_key")?) {
            (Some(etag), None) if etag == NO_ETAG => PartPlace::Sent,
            (Some(etag), None) => PartPlace::Upstream(etag),
            (None, Some(key)) => PartPlace::Held(key),
            _ => return Err(StoreError::odd_row("held_key")),
        };
        Ok(Self {
            number: PartNumber::new(number(row, "number")?).ok_or_else(|| StoreError::odd_row("number"))?,
            salt: bytes(row, "salt", |salt| salt.try_into().ok())?,
            plaintext_bytes: number(row, "plaintext_bytes")?,
            sealed_digests: row.try_get("sealed_digests")?,
            place,
            stored_bytes: number(row, "stored_bytes")?,
            finished_seq: number(row, "finished_seq")?,
            modified: time(row, "modified")?,
        })
    }
}
