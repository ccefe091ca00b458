//! What can go wrong with the database, sorted by what to do about it.

use sqlx::Error as SqlxError;

/// Why the store did not do it. Texts are one line, for the operator; they hold no row's content.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer held the database for longer than we wait, or too many writes are queued: try again later.
    #[error("the database is busy")]
    Busy,
    /// No room left on the disk. Nothing of the transaction was kept.
    #[error("no room left for the database")]
    Full,
    /// The row is there already (a unique name, id or epoch).
    #[error("the row exists already")]
    Conflict,
    /// The row that this one belongs to is not there (any more).
    #[error("the row that this one belongs to is gone")]
    NoParent,
    /// A value that does not fit its column.
    #[error("{0} does not fit its column")]
    Unstorable(&'static str),
    /// The file is damaged.
    #[error("the database {path} is damaged ({detail}); restore its newest backup, it was left as it is")]
    Corrupt {
        /// Which file.
        path: String,
        /// What was seen.
        detail: String,
    },
    /// Written by a newer version of this program.
    #[error("the database {path} has schema {found}, this version knows {known}: use the version that wrote it")]
    Newer {
        /// Which file.
        path: String,
        /// Its schema version.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// Written by an older version of this program, which may be running.
    #[error(
        "the database {path} has schema {found}, this version has {known}: start this version once, then try again"
    )]
    Older {
        /// Which file.
        path: String,
        /// Its schema version.
        found: i64,
        /// The schema version that this program has.
        known: i64,
    },
    /// There is no such file.
    #[error("there is no database {path} yet: start the server once, then try again")]
    Missing {
        /// Which file.
        path: String,
    },
    /// An SQLite file of some other program.
    #[error("the file {path} is a database of another program; name another file in store.url")]
    Foreign {
        /// Which file.
        path: String,
    },
    /// A URL that is not `sqlite:PATH`.
    #[error("store.url must be sqlite:PATH")]
    Url,
    /// The store has been closed.
    #[error("the database is closed")]
    Closed,
    /// Anything else between us and the file.
    #[error("the database failed: {0}")]
    Io(String),
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>); extended ones carry it in the low byte.
mod code {
    pub(super) const BUSY: i64 = 5;
    pub(super) const LOCKED: i64 = 6;
    pub(super) const CORRUPT: i64 = 11;
    pub(super) const FULL: i64 = 13;
    pub(super) const CONSTRAINT_FOREIGNKEY: i64 = 787;
    pub(super) const NOTADB: i64 = 26;
    /// SQLITE_IOERR_SHMSIZE, an extended one: SQLite's word for ENOSPC at its shared-memory file.
    pub(super) const IOERR_SHMSIZE: i64 = 4874;
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        match &error {
            SqlxError::Database(database) => {
                let extended: i64 = database.code().and_then(|code| code.parse().ok()).unwrap_or(0);
                match extended & 0xff {
                    _ if database.is_unique_violation() => Self::Conflict,
                    _ if extended == code::CONSTRAINT_FOREIGNKEY => Self::NoParent,
                    code::BUSY | code::LOCKED => Self::Busy,
                    code::FULL => Self::Full,
                    _ if extended == code::IOERR_SHMSIZE => Self::Full,
                    // Whoever knows the path puts it in (`sqlite::named`).
                    code::CORRUPT | code::NOTADB => {
                        Self::Corrupt { path: String::new(), detail: database.message().to_owned() }
                    }
                    _ => Self::Io(one_line(&error)),
                }
            }
            SqlxError::PoolTimedOut => Self::Busy,
            SqlxError::PoolClosed | SqlxError::WorkerCrashed => Self::Closed,
            _ => Self::Io(one_line(&error)),
        }
    }
}

impl StoreError {
    /// A row that the schema allows and we never write.
    pub(super) fn odd_row(column: &str) -> Self {
        Self::Corrupt { path: String::new(), detail: format!("unexpected value in column {column}") }
    }

    /// Puts the file's name where only SQLite's words are known.
    pub(super) fn named(self, file: &str) -> Self {
        match self {
            Self::Corrupt { path, detail } if path.is_empty() => Self::Corrupt { path: file.to_owned(), detail },
            other => other,
        }
    }
}

fn one_line(error: &SqlxError) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}
