//! The hands of a malicious store: the local upstream's files and rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use crate::harness::Server;

/// The directory of a local upstream.
pub(super) struct Store {
    dir: PathBuf,
}

impl Store {
    pub(super) fn of(server: &Server) -> Self {
        Self { dir: server.data().join("objects") }
    }

    /// Removes the proxy's index, which must not run.
    pub(super) fn forget_index(server: &Server) {
        for name in ["index.db", "index.db-wal", "index.db-shm"] {
            fs::remove_file(server.data().join(name)).ok();
        }
        assert!(!server.data().join("index.db").exists());
    }

    /// Runs one statement on the names, which must change something.
    pub(super) fn sql(&self, statement: &str) {
        let changed = self.with_names(async |names| {
            sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(names).await.map(|done| done.rows_affected())
        });
        assert!(changed > 0, "nothing changed by {statement}");
    }

    /// The files of an object, in order.
    pub(super) fn blobs(&self, key: &str) -> Vec<PathBuf> {
        self.paths(
            "SELECT blob FROM extent JOIN object ON object.id = extent.object WHERE key = CAST($1 AS BLOB) ORDER BY start_byte",
            key,
        )
    }

    /// The files of the parts of uploads in flight, in order.
    pub(super) fn part_blobs(&self, key: &str) -> Vec<PathBuf> {
        self.paths(
            "SELECT blob FROM part JOIN upload ON upload.id = part.upload WHERE key = CAST($1 AS BLOB) ORDER BY number",
            key,
        )
    }

    /// Every file of stored bytes.
    pub(super) fn all_blobs(&self) -> BTreeSet<PathBuf> {
        let folders = fs::read_dir(self.dir.join("blobs")).expect("blobs").map(|entry| entry.expect("an entry").path());
        folders
            .filter(|folder| folder.is_dir())
            .flat_map(|folder| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()))
            .collect()
    }

    /// Changes the bytes of an object that is one file.
    pub(super) fn edit(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut data = self.read(key);
        let before = data.clone();
        change(&mut data);
        assert!(data != before, "{key}: the damage changes something");
        self.write_blob(&self.blobs(key)[0], &data);
    }

    pub(super) fn read(&self, key: &str) -> Vec<u8> {
        let blobs = self.blobs(key);
        assert_eq!(blobs.len(), 1, "{key} is one file");
        self.read_blob(&blobs[0])
    }

    pub(super) fn read_blob(&self, blob: &Path) -> Vec<u8> {
        fs::read(blob).expect("a blob is readable")
    }

    /// In place: who has the file open sees the change, as with a store that lies between two reads.
    pub(super) fn write_blob(&self, blob: &Path, data: &[u8]) {
        let mut permissions = fs::metadata(blob).expect("a blob").permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test's own")]
        permissions.set_readonly(false);
        fs::set_permissions(blob, permissions).expect("permissions can be set");
        fs::write(blob, data).expect("a blob is writable");
    }

    pub(super) fn swap_blobs(&self, one: &str, other: &str) {
        self.swap_files(&self.blobs(one)[0], &self.blobs(other)[0]);
    }

    pub(super) fn swap_files(&self, one: &Path, other: &Path) {
        let aside = one.with_extension("aside");
        fs::rename(one, &aside).expect("renames");
        fs::rename(other, one).expect("renames");
        fs::rename(&aside, other).expect("renames");
    }

    fn paths(&self, query: &str, key: &str) -> Vec<PathBuf> {
        let rows = self.with_names(async |names| {
            sqlx::query(sqlx::AssertSqlSafe(query.to_owned())).bind(key).fetch_all(names).await
        });
        let path = |name: Vec<u8>| {
            let name = hex::encode(name);
            self.dir.join("blobs").join(&name[..2]).join(name)
        };
        rows.iter().map(|row| path(row.get(0))).collect()
    }

    fn with_names<T>(&self, work: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> sqlx::Result<T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(self.dir.join("names.db"));
            let mut names = options.connect().await.expect("the names open");
            work(&mut names).await.expect("the statement runs")
        })
    }
}
