//! A batch of changes in a few statements: changes go in as one JSON array each, in hexadecimal unless they are numbers.
//!
//! SQLite runs on a thread of its own, and a statement for every change wakes it and the task that waits for it, back and
//! forth: several times as dear as the writing.

use sqlx::SqliteConnection;

use super::Place;
use super::overlay::{Change, Pending};
use crate::store::error::StoreError;
use crate::store::row::signed;

/// A statement goes when its values have come to this: footers of a full batch would be 32 MiB of text.
const MAX_VALUES_BYTES: usize = 512 << 10;

/// The columns in the order of the table.
const RECORD: &str = "INSERT OR REPLACE INTO objects SELECT unhex(value->>0), unhex(value->>1), \
     CAST(unhex(value->>2) AS TEXT), CAST(unhex(value->>3) AS TEXT), value->>4, value->>5, unhex(value->>6), \
     unhex(value->>7), unhex(value->>8), value->>9 FROM json_each($1)";
const RECORD_FOOTER: &str = "INSERT OR REPLACE INTO footers SELECT unhex(value->>0), unhex(value->>1), \
     CAST(unhex(value->>2) AS TEXT), CAST(unhex(value->>3) AS TEXT), unhex(value->>4) FROM json_each($1)";
const FORGET: &str = "DELETE FROM objects WHERE (bucket_id, object_key, version) IN \
     (SELECT unhex(value->>0), unhex(value->>1), CAST(unhex(value->>2) AS TEXT) FROM json_each($1))";
const FORGET_FOOTER: &str = "DELETE FROM footers WHERE (bucket_id, object_key, version) IN \
     (SELECT unhex(value->>0), unhex(value->>1), CAST(unhex(value->>2) AS TEXT) FROM json_each($1))";

/// Writes changes, each of another place.
pub(super) async fn write(connection: &mut SqliteConnection, batch: &[(Place, Pending)]) -> Result<(), StoreError> {
    let mut record = Statement::new(RECORD);
    let mut record_footer = Statement::new(RECORD_FOOTER);
    let mut forget = Statement::new(FORGET);
    let mut forget_footer = Statement::new(FORGET_FOOTER);
    for (place, pending) in batch {
        match &pending.change {
            Change::Record { row, footer } => {
                let stored_bytes = signed(row.stored_bytes, "stored_bytes")?;
                let plaintext_bytes = signed(row.plaintext_bytes, "plaintext_bytes")?;
                record
                    .at(place)
                    .text(row.upstream_etag.as_bytes())
                    .number(stored_bytes)
                    .number(plaintext_bytes)
                    .text(&row.sealed_facts)
                    .text(row.footer_id.as_bytes())
                    .text(row.key_id.as_bytes())
                    .number(i64::from(row.key_version));
                match footer {
                    Some(footer) => {
                        record_footer.at(place).text(row.upstream_etag.as_bytes()).text(footer);
                    }
                    None => {
                        forget_footer.at(place);
                    }
                }
            }
            Change::Forget => {
                forget.at(place);
                forget_footer.at(place);
            }
        }
        for statement in [&mut record, &mut record_footer, &mut forget, &mut forget_footer] {
            if statement.values.len() >= MAX_VALUES_BYTES {
                statement.run(connection).await?;
            }
        }
    }
    for mut statement in [record, record_footer, forget, forget_footer] {
        statement.run(connection).await?;
    }
    Ok(())
}

/// A statement and the values that it is to be run with: `[["00ff",7],["01..` as far as they go.
struct Statement {
    sql: &'static str,
    values: Vec<u8>,
}

impl Statement {
    const fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// Begins a row with the columns of its place.
    fn at(&mut self, place: &Place) -> &mut Self {
        self.values.extend_from_slice(if self.values.is_empty() { b"[[" } else { b"],[" });
        self.text(place.bucket_id.as_bytes()).text(place.key.as_bytes()).text(place.version.as_bytes())
    }

    fn text(&mut self, bytes: &[u8]) -> &mut Self {
        self.separate();
        self.values.push(b'"');
        let from = self.values.len();
        self.values.resize(from + 2 * bytes.len(), b'0');
        // The room is as long as it has to be.
        let _ = hex::encode_to_slice(bytes, &mut self.values[from..]);
        self.values.push(b'"');
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.separate();
        self.values.extend_from_slice(number.to_string().as_bytes());
        self
    }

    fn separate(&mut self) {
        if !self.values.ends_with(b"[") {
            self.values.push(b',');
        }
    }

    async fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if self.values.is_empty() {
            return Ok(());
        }
        self.values.extend_from_slice(b"]]");
        let values = String::from_utf8_lossy(&self.values).into_owned();
        self.values.clear();
        sqlx::query(self.sql).bind(values).execute(connection).await?;
        Ok(())
    }
}
