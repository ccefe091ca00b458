//! Rows to typed values: a value that we never write is damage, named by its column.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::StoreError;
use crate::base::Timestamp;

/// Bytes that must parse: ids, keys, salts.
pub(super) fn bytes<T>(
    row: &SqliteRow,
    column: &'static str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, StoreError> {
    parse(row.try_get(column)?).ok_or_else(|| StoreError::odd_row(column))
}

/// Text that must parse: names.
pub(super) fn text<T>(
    row: &SqliteRow,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(row.try_get(column)?).ok_or_else(|| StoreError::odd_row(column))
}

/// A number that must fit its type: columns hold signed 64-bit integers.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    T::try_from(row.try_get(column)?).map_err(|_| StoreError::odd_row(column))
}

/// Milliseconds since 1970.
pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_unix_millis(row.try_get(column)?))
}

/// A length or count on its way into a signed column.
pub(super) fn signed(value: u64, column: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Unstorable(column))
}
