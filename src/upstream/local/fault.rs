//! What the operating system and SQLite answer, as [`UpstreamError`]: which failures mean "full", which "try again
//! later", and which that the directory is damaged.

use std::io;
use std::path::Path;

use crate::upstream::UpstreamError;

/// SQLite's primary result codes (sqlite.org/rescode.html); extended codes carry them in the low byte.
mod primary {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const INTERRUPT: u32 = 9;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

/// SQLITE_IOERR_SHMSIZE: the shared-memory file could not grow, which is SQLite's ENOSPC for that file.
const IOERR_SHMSIZE: u32 = 4874;

/// What a failure of SQLite means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SqlFault {
    /// No room on the disk.
    Full,
    /// Another program holds the names file.
    Busy,
    /// Reading or writing failed, or memory ran out; trying again may help.
    Passing,
    /// The names file is damaged.
    Corrupt,
    /// Anything else: a fault of ours.
    Other,
}

impl SqlFault {
    /// Sorts an error.
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
                Self::of_code(code)
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Passing,
            sqlx::Error::Io(_) => Self::Passing,
            _ => Self::Other,
        }
    }

    const fn of_code(extended: u32) -> Self {
        match extended & 0xff {
            primary::FULL => Self::Full,
            primary::IOERR if extended == IOERR_SHMSIZE => Self::Full,
            primary::BUSY | primary::LOCKED => Self::Busy,
            primary::IOERR | primary::NOMEM | primary::INTERRUPT | primary::CANTOPEN => Self::Passing,
            primary::CORRUPT | primary::NOTADB => Self::Corrupt,
            _ => Self::Other,
        }
    }
}

/// Why the names were not read or changed.
#[derive(Debug)]
pub(super) enum NamesError {
    /// They are not as the caller wants them.
    Refused(UpstreamError),
    /// SQLite failed; a transaction around it is in doubt.
    Sql(sqlx::Error),
}

impl From<UpstreamError> for NamesError {
    fn from(error: UpstreamError) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for NamesError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<NamesError> for UpstreamError {
    fn from(error: NamesError) -> Self {
        match error {
            NamesError::Refused(error) => error,
            NamesError::Sql(error) => of_sql(&error),
        }
    }
}

/// A failure of SQLite, for the caller of an operation.
pub(super) fn of_sql(error: &sqlx::Error) -> UpstreamError {
    match SqlFault::of(error) {
        SqlFault::Full => UpstreamError::Full,
        SqlFault::Busy => UpstreamError::Unavailable(format!("another program holds the names file: {error}")),
        SqlFault::Passing => UpstreamError::Unavailable(format!("the names file: {error}")),
        SqlFault::Corrupt | SqlFault::Other => UpstreamError::Broken(format!("the names file: {error}")),
    }
}

/// A failure of the file system while `doing` something with `path`.
pub(super) fn of_io(doing: &str, path: &Path, error: &io::Error) -> UpstreamError {
    let text = || format!("cannot {doing} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => UpstreamError::Full,
        io::ErrorKind::FileTooLarge => UpstreamError::TooLarge,
        io::ErrorKind::OutOfMemory | io::ErrorKind::TimedOut | io::ErrorKind::ResourceBusy => {
            UpstreamError::Unavailable(text())
        }
        _ if is_out_of_files(error) => UpstreamError::Unavailable(text()),
        _ => UpstreamError::Broken(text()),
    }
}

/// EMFILE and ENFILE have no `ErrorKind`.
fn is_out_of_files(error: &io::Error) -> bool {
    let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    codes.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enospc_and_edquot_are_full() {
        for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert!(matches!(of_io("write", Path::new("/x"), &error), UpstreamError::Full), "{errno:?}");
        }
        assert_eq!(SqlFault::of_code(primary::FULL), SqlFault::Full);
        assert_eq!(SqlFault::of_code(IOERR_SHMSIZE), SqlFault::Full);
    }

    #[test]
    fn extended_codes_are_sorted_by_their_primary_code() {
        assert_eq!(SqlFault::of_code(5 | (2 << 8)), SqlFault::Busy, "SQLITE_BUSY_SNAPSHOT");
        assert_eq!(SqlFault::of_code(10 | (4 << 8)), SqlFault::Passing, "SQLITE_IOERR_FSYNC");
        assert_eq!(SqlFault::of_code(11 | (1 << 8)), SqlFault::Corrupt, "SQLITE_CORRUPT_VTAB");
        assert_eq!(SqlFault::of_code(1), SqlFault::Other);
    }

    #[test]
    fn other_failures_name_the_path() {
        let error = io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error());
        let UpstreamError::Broken(text) = of_io("read", Path::new("/data/blobs/ab"), &error) else {
            panic!("EIO is damage");
        };
        assert!(text.contains("/data/blobs/ab"), "{text}");
        let error = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(matches!(of_io("open", Path::new("/x"), &error), UpstreamError::Unavailable(_)));
    }
}
