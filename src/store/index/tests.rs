//! The index on real files.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::{Index, IndexRow, MAX_FOOTER_BYTES};
use crate::base::{BucketId, FooterId, KeyId, ObjectKey};

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("index.db")
    }

    async fn index(&self) -> Index {
        Index::open(&self.path()).await.expect("opens")
    }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).expect("a key")
}

const BUCKET: BucketId = BucketId::from_bytes([1; 16]);

fn row(name: &str, etag: &str) -> IndexRow {
    IndexRow {
        bucket_id: BUCKET,
        key: key(name),
        version: "".into(),
        upstream_etag: etag.into(),
        stored_bytes: 500,
        plaintext_bytes: 100,
        sealed_facts: Bytes::from_static(b"sealed"),
        footer_id: FooterId::from_bytes([2; 16]),
        key_id: KeyId::from_bytes([3; 16]),
        key_version: 0,
    }
}

fn footer(fill: u8) -> Option<Bytes> {
    Some(Bytes::from(vec![fill; 600]))
}

async fn etag_of(index: &Index, name: &str) -> Option<String> {
    index.lookup(BUCKET, &key(name)).await.map(|row| row.upstream_etag)
}

/// A footer that came with the end of an object is a slice of it.
#[tokio::test]
async fn only_the_footer_is_kept_of_what_was_read() {
    let place = Place::new();
    let index = place.index().await;
    let read = Bytes::from(vec![1; 64 << 10]);
    index.record(row("a", "e1"), Some(read.slice(..600)));
    assert!(read.is_unique(), "waiting for the file");
    index.flush().await;
    assert!(index.lookup_object(BUCKET, &key("a")).await == Some((row("a", "e1"), footer(1))));
    assert!(read.is_unique(), "written");
}

#[tokio::test]
async fn seen_at_once_and_after_a_restart() {
    let place = Place::new();
    let index = place.index().await;
    index.record(row("a", "e1"), footer(1));
    for round in ["overlay", "file", "restarted"] {
        let index = match round {
            "restarted" => {
                index.close().await;
                place.index().await
            }
            _ => index.clone(),
        };
        assert!(index.lookup(BUCKET, &key("a")).await == Some(row("a", "e1")), "{round}");
        assert_eq!(index.footer(BUCKET, &key("a"), "e1").await, footer(1), "{round}");
        assert_eq!(index.footer(BUCKET, &key("a"), "e2").await, None, "{round}");
        assert!(index.lookup_object(BUCKET, &key("a")).await == Some((row("a", "e1"), footer(1))), "{round}");
        assert!(index.lookup(BucketId::from_bytes([9; 16]), &key("a")).await.is_none(), "{round}");
        index.flush().await;
    }
}

#[tokio::test]
async fn the_newest_row_replaces() {
    let place = Place::new();
    let index = place.index().await;
    for settle in [false, true] {
        index.record(row("a", "e1"), footer(1));
        if settle {
            index.flush().await;
        }
        index.record(row("a", "e2"), None);
        assert_eq!(etag_of(&index, "a").await.as_deref(), Some("e2"));
        assert_eq!(index.footer(BUCKET, &key("a"), "e1").await, None);
        index.flush().await;
        assert_eq!(etag_of(&index, "a").await.as_deref(), Some("e2"));
        // A footer of the row before is never handed out with this one.
        assert!(index.lookup_object(BUCKET, &key("a")).await == Some((row("a", "e2"), None)));
    }
}

#[tokio::test]
async fn forgotten_at_once_and_in_the_file() {
    let place = Place::new();
    let index = place.index().await;
    for name in ["a", "b", "c"] {
        index.record(row(name, "e"), footer(1));
    }
    index.flush().await;
    index.forget(BUCKET, &key("a"));
    assert_eq!(etag_of(&index, "a").await, None);
    assert_eq!(index.footer(BUCKET, &key("a"), "e").await, None);
    index.flush().await;
    assert_eq!(etag_of(&index, "a").await, None);
    assert!(etag_of(&index, "b").await.is_some());
    index.forget_bucket(BUCKET);
    index.flush().await;
    assert_eq!(etag_of(&index, "b").await, None);
    assert_eq!(index.footer(BUCKET, &key("b"), "e").await, None);
}

#[tokio::test]
async fn a_page_from_overlay_and_file_together() {
    let place = Place::new();
    let index = place.index().await;
    let keys: Vec<_> = (0..1000).map(|at| key(&format!("{at:04}"))).collect();
    for at in (0..1000).step_by(2) {
        index.record(row(&format!("{at:04}"), "file"), None);
    }
    index.flush().await;
    index.record(row("0001", "overlay"), None);
    index.forget(BUCKET, &key("0002"));
    let found = index.lookup_page(BUCKET, &keys).await;
    assert_eq!(found.len(), 500);
    assert_eq!(found[&key("0001")].upstream_etag, "overlay");
    assert_eq!(found[&key("0998")].upstream_etag, "file");
    assert!(!found.contains_key(&key("0002")));
    assert!(index.lookup_page(BUCKET, &[]).await.is_empty());
    for len in [1, 2, 10, 11, 101, 999] {
        assert_eq!(index.lookup_page(BUCKET, &keys[1000 - len..]).await.len(), len / 2);
    }
    let counters = index.counters();
    assert_eq!(counters.hits + counters.misses, 1000 + (1 + 2 + 10 + 11 + 101 + 999));
}

#[tokio::test]
async fn what_was_listed_a_moment_ago_never_hides_what_came_since() {
    let place = Place::new();
    let index = place.index().await;
    let keys = ["a", "b", "c"].map(key);
    for name in ["a", "b", "c"] {
        index.record(row(name, "first"), None);
    }
    index.flush().await;
    assert_eq!(index.lookup_page(BUCKET, &keys).await.len(), 3);
    // Written by somebody else, or lost: what is kept in memory answers, and its validator says whether it holds.
    let mut file = SqliteConnectOptions::new().filename(place.path()).connect().await.expect("the file");
    sqlx::query("DELETE FROM objects").execute(&mut file).await.expect("a statement");
    assert_eq!(index.lookup_page(BUCKET, &keys).await.len(), 3, "from memory");
    index.record(row("a", "second"), None);
    index.forget(BUCKET, &key("b"));
    index.flush().await;
    let found = index.lookup_page(BUCKET, &keys).await;
    assert_eq!(found[&key("a")].upstream_etag, "second");
    assert!(!found.contains_key(&key("b")) && found.contains_key(&key("c")));
    index.forget_bucket(BUCKET);
    index.flush().await;
    assert!(index.lookup_page(BUCKET, &keys).await.is_empty());
}

#[tokio::test]
async fn odd_keys_are_told_apart() {
    let place = Place::new();
    let index = place.index().await;
    let names = ["a", "A", "a ", "a/", "a\0", "a\0b", "\u{fffd}", "\u{10000}", "%", "_"];
    for name in names {
        index.record(row(name, name), None);
    }
    index.flush().await;
    for name in names {
        assert_eq!(etag_of(&index, name).await.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn nothing_is_written_on_a_lookup() {
    let place = Place::new();
    let index = place.index().await;
    index.record(row("a", "e1"), footer(1));
    index.close().await;
    let index = place.index().await;
    let files = || {
        let read = |path: PathBuf| fs::read(path).unwrap_or_default();
        (read(place.path()), read(place.path().with_extension("db-wal")))
    };
    let before = files();
    for _ in 0..50 {
        index.lookup_object(BUCKET, &key("a")).await.expect("a hit");
        index.lookup(BUCKET, &key("none")).await;
        index.lookup_page(BUCKET, &[key("a"), key("b")]).await;
    }
    index.flush().await;
    assert!(files() == before);
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let place = Place::new();
    let index = place.index().await;
    // No await in between: the writer does not get to run.
    for at in 0..20_000 {
        index.record(row(&format!("{at}"), "e"), footer(1));
    }
    let dropped = index.counters().dropped;
    assert!(dropped >= 20_000 - 8192, "{dropped}");
    index.flush().await;
    assert!(etag_of(&index, "0").await.is_some());
    assert!(etag_of(&index, "19999").await.is_none());
    // There is room again.
    index.record(row("19999", "e"), None);
    assert!(etag_of(&index, "19999").await.is_some());
}

#[tokio::test]
async fn large_footers_stay_in_memory() {
    let place = Place::new();
    let index = place.index().await;
    let large = Bytes::from(vec![7; MAX_FOOTER_BYTES + 1]);
    index.record(row("a", "e1"), Some(large.clone()));
    index.flush().await;
    assert_eq!(index.footer(BUCKET, &key("a"), "e1").await, Some(large.clone()));
    assert!(index.lookup_object(BUCKET, &key("a")).await.is_some_and(|(_, footer)| footer == Some(large)));
    assert_eq!(index.footer(BUCKET, &key("a"), "e2").await, None);
    for at in 0..70 {
        index.record(row(&format!("b{at}"), "e"), Some(Bytes::from(vec![7; MAX_FOOTER_BYTES + 1])));
    }
    assert_eq!(index.footer(BUCKET, &key("a"), "e1").await, None, "only the latest ones are kept");
    index.close().await;
    assert!(place.index().await.lookup_object(BUCKET, &key("a")).await.is_some_and(|(_, footer)| footer.is_none()));
}

/// What was read from the file is handed out again without asking it, and never against what was recorded since.
#[tokio::test]
async fn what_was_read_lately_gives_way_to_what_is_newer() {
    let place = Place::new();
    let index = place.index().await;
    index.record(row("a", "e1"), footer(1));
    index.flush().await;
    for _ in 0..2 {
        assert!(index.lookup_object(BUCKET, &key("a")).await == Some((row("a", "e1"), footer(1))));
    }
    index.record(row("a", "e2"), footer(2));
    for _ in 0..2 {
        assert!(index.lookup_object(BUCKET, &key("a")).await == Some((row("a", "e2"), footer(2))));
        index.flush().await;
    }
    index.forget(BUCKET, &key("a"));
    for _ in 0..2 {
        assert!(index.lookup_object(BUCKET, &key("a")).await.is_none());
        index.flush().await;
    }
    index.record(row("a", "e3"), None);
    index.flush().await;
    assert!(index.lookup_object(BUCKET, &key("a")).await.is_some());
    index.forget_bucket(BUCKET);
    index.flush().await;
    assert!(index.lookup_object(BUCKET, &key("a")).await.is_none());
}

#[tokio::test]
async fn damaged_and_foreign_files_are_put_aside() {
    for (case, content) in [("text", b"not a database".to_vec()), ("cut", b"SQLite format 3\0 and no more".to_vec())] {
        let place = Place::new();
        fs::write(place.path(), &content).expect("is written");
        let index = place.index().await;
        assert_eq!(index.counters().rebuilt, 1, "{case}");
        index.record(row("a", "e1"), None);
        index.flush().await;
        assert!(etag_of(&index, "a").await.is_some(), "{case}");
        assert_eq!(fs::read(place.path().with_extension("db.old")).expect("is there"), content, "{case}");
    }
}

#[tokio::test]
async fn another_version_is_put_aside() {
    let place = Place::new();
    let index = place.index().await;
    index.record(row("a", "e1"), None);
    index.close().await;
    let mut bytes = fs::read(place.path()).expect("is readable");
    bytes[63] = 99; // user_version
    fs::write(place.path(), &bytes).expect("is written");
    let index = place.index().await;
    assert_eq!(index.counters().rebuilt, 1);
    assert_eq!(etag_of(&index, "a").await, None);
}

fn damage(path: &PathBuf) {
    let mut bytes = fs::read(path).expect("is readable");
    let pages = bytes.len() / 4096;
    assert!(pages > 8, "enough to damage");
    bytes[3 * 4096..(pages - 1) * 4096].fill(0xa5);
    fs::write(path, &bytes).expect("is written");
}

async fn filled(place: &Place) -> Index {
    let index = place.index().await;
    for at in 0..500 {
        index.record(row(&format!("{at:03}"), "e1"), footer(1));
    }
    index.flush().await;
    index
}

#[tokio::test]
async fn damage_found_at_the_start() {
    let place = Place::new();
    filled(&place).await.close().await;
    damage(&place.path());
    let index = place.index().await;
    assert_eq!(index.counters().rebuilt, 1);
    index.record(row("a", "e1"), None);
    index.flush().await;
    assert!(etag_of(&index, "a").await.is_some());
}

/// The file is damaged under a running proxy: lookups are misses, and soon there is a new file.
#[tokio::test]
async fn damage_found_while_running() {
    let place = Place::new();
    filled(&place).await.close().await;
    let index = place.index().await;
    damage(&place.path());
    for at in 0..500 {
        index.lookup(BUCKET, &key(&format!("{at:03}"))).await;
    }
    index.flush().await;
    assert!(index.counters().rebuilt >= 1);
    index.record(row("a", "e2"), footer(2));
    index.flush().await;
    assert_eq!(etag_of(&index, "a").await.as_deref(), Some("e2"));
    index.close().await;
    assert_eq!(etag_of(&place.index().await, "a").await.as_deref(), Some("e2"));
}

#[tokio::test]
async fn a_closed_index_only_misses() {
    let place = Place::new();
    let index = place.index().await;
    index.record(row("a", "e1"), None);
    index.close().await;
    index.flush().await;
    index.close().await;
    index.record(row("b", "e1"), None);
    assert_eq!(etag_of(&index, "a").await, None);
}

/// Who asks whether an object is known must not be told "no" by a file that cannot be read.
#[tokio::test]
async fn what_cannot_be_read_may_be_known() {
    let place = Place::new();
    let index = filled(&place).await;
    assert!(index.may_know(BUCKET, &key("007")).await && !index.may_know(BUCKET, &key("unknown")).await);
    index.forget(BUCKET, &key("007"));
    index.record(row("new", "e1"), None);
    assert!(!index.may_know(BUCKET, &key("007")).await && index.may_know(BUCKET, &key("new")).await);
    index.close().await;
    assert!(index.may_know(BUCKET, &key("unknown")).await);
}
