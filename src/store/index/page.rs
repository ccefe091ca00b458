//! The rows of a page of LIST: a thousand keys in, a thousand rows out, as one value each way.
//!
//! SQLite runs on a thread of its own, and every row that it hands over wakes the task that waits for it, which for a page
//! takes several times as long as finding the rows. So the keys go in as one JSON array and the rows come out as one
//! text. (A parameter per key costs too: they are looked up by name, each among all.)

use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::IndexRow;
use crate::base::{BucketId, FooterId, KeyId, ObjectKey};
use crate::store::error::StoreError;

/// Columns in the order of [`decode`], in hexadecimal unless they are numbers, with a blank between them; a line a row.
const ROWS: &str = "SELECT group_concat(hex(object_key) || ' ' || hex(upstream_etag) || ' ' || stored_bytes || ' ' || \
     plaintext_bytes || ' ' || hex(sealed_facts) || ' ' || hex(footer_id) || ' ' || hex(key_id) || ' ' || key_version, \
     char(10)) AS page FROM objects \
     WHERE bucket_id = $1 AND version = '' AND object_key IN (SELECT unhex(value) FROM json_each($2))";

/// The current rows of these keys, in one query.
pub(super) async fn rows(
    readers: &SqlitePool,
    bucket: BucketId,
    keys: &[ObjectKey],
) -> Result<Vec<IndexRow>, StoreError> {
    let wanted: Vec<String> = keys.iter().map(|key| format!("\"{}\"", hex::encode(key.as_bytes()))).collect();
    let page = sqlx::query(ROWS)
        .bind(bucket.as_bytes().to_vec())
        .bind(format!("[{}]", wanted.join(",")))
        .fetch_one(readers)
        .await?;
    let page: Option<&str> = page.try_get("page")?;
    page.unwrap_or_default().lines().map(|row| decode(bucket, row)).collect()
}

fn decode(bucket_id: BucketId, row: &str) -> Result<IndexRow, StoreError> {
    let mut columns = row.split(' ');
    let row = IndexRow {
        bucket_id,
        key: bytes("object_key", &mut columns, |key| ObjectKey::parse(std::str::from_utf8(key).ok()?))?,
        version: Arc::default(),
        upstream_etag: bytes("upstream_etag", &mut columns, |etag| String::from_utf8(etag.to_vec()).ok())?,
        stored_bytes: number("stored_bytes", &mut columns)?,
        plaintext_bytes: number("plaintext_bytes", &mut columns)?,
        sealed_facts: bytes("sealed_facts", &mut columns, |facts| Some(facts.to_vec().into()))?,
        footer_id: bytes("footer_id", &mut columns, FooterId::from_slice)?,
        key_id: bytes("key_id", &mut columns, KeyId::from_slice)?,
        key_version: number("key_version", &mut columns)?,
    };
    Ok(row)
}

/// The next column. What we would not have written is damage.
fn bytes<'a, T>(
    column: &'static str,
    columns: &mut impl Iterator<Item = &'a str>,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, StoreError> {
    let value = columns.next().and_then(unhex);
    value.and_then(|value| parse(&value)).ok_or_else(|| StoreError::odd_row(column))
}

/// Like `hex::decode`, which goes through an iterator of results and takes three times as long.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn number<'a, T: TryFrom<i64>>(
    column: &'static str,
    columns: &mut impl Iterator<Item = &'a str>,
) -> Result<T, StoreError> {
    let value = columns.next().and_then(|text| text.parse().ok());
    value.and_then(|value| T::try_from(value).ok()).ok_or_else(|| StoreError::odd_row(column))
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::base::BucketId;
    use crate::store::StoreError;

    const ID: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn a_row() {
        let text = format!("6B2F C3A9 90 18 00FF {ID} {ID} 7");
        let row = decode(BucketId::from_bytes([9; 16]), &text).expect("a row");
        assert_eq!((row.key.as_str(), row.upstream_etag.as_str(), &row.sealed_facts[..]), ("k/", "é", &[0, 255][..]));
        assert_eq!((row.stored_bytes, row.plaintext_bytes, row.key_version), (90, 18, 7));
        assert_eq!(hex::encode(row.footer_id.as_bytes()), ID);
    }

    #[test]
    fn damage_names_its_column() {
        for (text, column) in [
            (String::new(), "object_key"),
            ("6".to_owned(), "object_key"),
            ("FF".to_owned(), "object_key"),
            ("6B".to_owned(), "upstream_etag"),
            ("6B  -1".to_owned(), "stored_bytes"),
            (format!("6B 00 90 18  {} {ID} 7", &ID[2..]), "footer_id"),
            (format!("6B 00 90 18  {ID} {ID} 4294967296"), "key_version"),
        ] {
            match decode(BucketId::from_bytes([9; 16]), &text).err() {
                Some(StoreError::Corrupt { detail, .. }) => assert!(detail.ends_with(column), "{text}: {detail}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
