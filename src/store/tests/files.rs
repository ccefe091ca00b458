//! The file itself: made, found again, migrated, refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use sqlx::{ConnectOptions, Connection};

use super::{Place, bucket};
use crate::store::sqlite::{Migration, Schema, options, with_suffix};
use crate::store::{BucketRow, SCHEMA, Store, StoreError, path_of};

const NEXT: Schema = Schema {
    application_id: SCHEMA.application_id,
    migrations: &[
        Migration { version: 1, sql: include_str!("../migrations/0001_initial.sql") },
        Migration { version: 2, sql: include_str!("../migrations/0002_adopted_buckets.sql") },
        Migration { version: 3, sql: include_str!("../migrations/0003_copy_uploads.sql") },
        Migration { version: 4, sql: "CREATE TABLE later (x BIGINT)" },
    ],
};

const BROKEN: Schema = Schema {
    application_id: SCHEMA.application_id,
    migrations: &[
        Migration { version: 1, sql: include_str!("../migrations/0001_initial.sql") },
        Migration { version: 2, sql: include_str!("../migrations/0002_adopted_buckets.sql") },
        Migration { version: 3, sql: include_str!("../migrations/0003_copy_uploads.sql") },
        Migration { version: 4, sql: "CREATE TABLE later (x BIGINT); SELECT * FROM nowhere" },
    ],
};

#[tokio::test]
async fn missing_file_is_made_for_its_owner_only() {
    let place = Place::new();
    let store = place.store().await;
    store.insert_bucket(bucket("one")).await.expect("inserts");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.path()), 0o600);
    assert_eq!(mode(&with_suffix(&place.path(), "-wal")), 0o600);
    assert_eq!(mode(place.path().parent().expect("has one")), 0o700);
}

#[tokio::test]
async fn a_restart_finds_everything_again() {
    let place = Place::new();
    let row = bucket("one");
    let store = place.store().await;
    store.insert_bucket(row.clone()).await.expect("inserts");
    store.close().await;
    assert_eq!(place.store().await.bucket(&row.name).await.expect("reads"), Some(row));
}

/// What was answered is in the write-ahead log, whether or not anybody closed the file.
#[tokio::test]
async fn an_acknowledged_row_outlives_a_killed_process() {
    let place = Place::new();
    let row = bucket("one");
    let store = place.store().await;
    store.insert_bucket(row.clone()).await.expect("inserts");
    let copy = Place::new();
    fs::create_dir(copy.path().parent().expect("has one")).expect("is made");
    for (path, content) in place.snapshot() {
        let name = path.file_name().expect("has one").to_owned();
        // A killed process leaves no usable shared memory behind.
        if !name.to_string_lossy().ends_with("-shm") {
            fs::write(copy.path().with_file_name(name), content).expect("is written");
        }
    }
    assert_eq!(copy.store().await.bucket(&row.name).await.expect("reads"), Some(row));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_nothing_changed() {
    let place = Place::new();
    Store::open_with(&place.path(), &NEXT).await.expect("opens").close().await;
    let before = place.snapshot();
    let error = Store::open(&place.url()).await.err().expect("is refused");
    assert!(matches!(error, StoreError::Newer { found: 4, known: 3, .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
    assert_eq!(place.snapshot(), before);
}

/// A command beside a server: what it writes is seen at once, and it makes and migrates nothing.
#[tokio::test]
async fn beside_a_running_server() {
    let place = Place::new();
    assert!(matches!(Store::open_beside(&place.url()).await, Err(StoreError::Missing { .. })));
    assert!(!place.path().exists());
    let (server, row) = (place.store().await, bucket("one"));
    let beside = Store::open_beside(&place.url()).await.expect("opens");
    beside.insert_bucket(row.clone()).await.expect("inserts");
    assert_eq!(server.bucket(&row.name).await.expect("reads"), Some(row));
    beside.close().await;
    server.insert_bucket(bucket("two")).await.expect("goes on");
    let older = Store::open_beside_with(&place.path(), &NEXT).await;
    assert!(matches!(older, Err(StoreError::Older { found: 3, known: 4, .. })));
    server.close().await;
    Store::open_with(&place.path(), &NEXT).await.expect("migrates").close().await;
    assert!(matches!(Store::open_beside(&place.url()).await, Err(StoreError::Newer { found: 4, known: 3, .. })));
}

/// A newer version that was killed right after its migration: the header may lag behind the log.
#[tokio::test]
async fn a_newer_schema_in_the_log_is_refused() {
    let place = Place::new();
    place.store().await.close().await;
    let newer = options(&place.path(), sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection = newer.connect().await.expect("connects");
    sqlx::query("PRAGMA user_version = 9").execute(&mut connection).await.expect("sets");
    let error = Store::open(&place.url()).await.err().expect("is refused");
    assert!(matches!(error, StoreError::Newer { found: 9, known: 3, .. }), "{error}");
    connection.close().await.expect("closes");
}

#[tokio::test]
async fn a_foreign_database_is_refused_and_nothing_changed() {
    let place = Place::new();
    fs::create_dir(place.path().parent().expect("has one")).expect("is made");
    let foreign = sqlx::sqlite::SqliteConnectOptions::new().filename(place.path()).create_if_missing(true);
    let mut connection = foreign.connect().await.expect("connects");
    sqlx::query("CREATE TABLE theirs (x)").execute(&mut connection).await.expect("creates");
    connection.close().await.expect("closes");
    let before = place.snapshot();
    assert!(matches!(Store::open(&place.url()).await, Err(StoreError::Foreign { .. })));
    assert_eq!(place.snapshot(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_nothing_changed() {
    let place = Place::new();
    place.store().await.close().await;
    fs::write(place.path(), b"something else entirely").expect("is written");
    let before = place.snapshot();
    let error = Store::open(&place.url()).await.err().expect("is refused");
    assert!(matches!(error, StoreError::Corrupt { .. }));
    assert!(error.to_string().contains("backup") && error.to_string().contains("state.db"), "{error}");
    assert_eq!(place.snapshot(), before);
}

#[tokio::test]
async fn a_damaged_page_is_refused_and_the_file_left_as_it_is() {
    let place = Place::new();
    let store = place.store().await;
    for at in 0..200 {
        store.insert_bucket(bucket(&format!("bucket-{at}"))).await.expect("inserts");
    }
    store.close().await;
    let mut bytes = fs::read(place.path()).expect("is readable");
    let middle = (bytes.len() / 2) & !4095;
    bytes[middle..middle + 8192].fill(0x5a);
    fs::write(place.path(), &bytes).expect("is written");
    let error = Store::open(&place.url()).await.err().expect("is refused");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
    assert_eq!(fs::read(place.path()).expect("is readable"), bytes);
}

#[tokio::test]
async fn a_start_that_broke_off_is_taken_up_again() {
    let place = Place::new();
    fs::create_dir(place.path().parent().expect("has one")).expect("is made");
    fs::write(place.path(), b"").expect("is written");
    place.store().await.close().await;
    // Only the header made it: WAL mode set, no table yet.
    fs::remove_file(place.path()).expect("is removed");
    let blank = options(&place.path(), sqlx::sqlite::SqliteSynchronous::Full).create_if_missing(true);
    blank.connect().await.expect("connects").close().await.expect("closes");
    place.store().await.insert_bucket(bucket("one")).await.expect("inserts");
}

#[tokio::test]
async fn a_migration_copies_the_old_database_first() {
    let place = Place::new();
    let row = bucket("one");
    let store = place.store().await;
    store.insert_bucket(row.clone()).await.expect("inserts");
    store.close().await;
    let store = Store::open_with(&place.path(), &NEXT).await.expect("opens");
    assert_eq!(store.bucket(&row.name).await.expect("reads"), Some(row.clone()));
    store.close().await;
    let copy = with_suffix(&place.path(), ".before-v4");
    assert_eq!(fs::metadata(&copy).expect("is there").mode() & 0o777, 0o600);
    let old = Store::open_with(&copy, &SCHEMA).await.expect("the copy opens with the old version");
    assert_eq!(old.bucket(&row.name).await.expect("reads"), Some(row));
}

/// Of a bucket from before the column, nobody knows whether the upstream had it before.
#[tokio::test]
async fn buckets_of_an_older_version_count_as_adopted() {
    const FIRST: Schema = Schema {
        application_id: SCHEMA.application_id,
        migrations: &[Migration { version: 1, sql: include_str!("../migrations/0001_initial.sql") }],
    };
    let place = Place::new();
    fs::create_dir(place.path().parent().expect("has one")).expect("is made");
    Store::open_with(&place.path(), &FIRST).await.expect("opens").close().await;
    let mut file = options(&place.path(), sqlx::sqlite::SqliteSynchronous::Full).connect().await.expect("connects");
    let row = bucket("one");
    sqlx::query(
        "INSERT INTO buckets (name, bucket_id, domain_id, upstream, owner, region, created) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.name.as_str())
    .bind(&row.bucket_id.as_bytes()[..])
    .bind(&row.domain_id.as_bytes()[..])
    .bind(&row.upstream)
    .bind(&row.owner.as_bytes()[..])
    .bind(&row.region)
    .bind(row.created.unix_millis())
    .execute(&mut file)
    .await
    .expect("inserts");
    file.close().await.expect("closes");
    let store = place.store().await;
    assert_eq!(store.bucket(&row.name).await.expect("reads"), Some(BucketRow { adopted: true, ..row }));
    store.insert_bucket(bucket("two")).await.expect("inserts");
    let made = store.bucket(&bucket("two").name).await.expect("reads").expect("is there");
    assert!(!made.adopted);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_old_schema() {
    let place = Place::new();
    let row = bucket("one");
    let store = place.store().await;
    store.insert_bucket(row.clone()).await.expect("inserts");
    store.close().await;
    assert!(Store::open_with(&place.path(), &BROKEN).await.is_err());
    let store = place.store().await;
    assert_eq!(store.bucket(&row.name).await.expect("reads"), Some(row));
    let later = sqlx::query("SELECT * FROM later").fetch_optional(store.readers()).await;
    assert!(later.is_err(), "half a migration was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_starts_at_once() {
    let place = Place::new();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let url = place.url();
            tokio::spawn(async move { Store::open(&url).await })
        })
        .collect();
    for start in starts {
        start.await.expect("no panic").expect("opens").close().await;
    }
    place.store().await.insert_bucket(bucket("one")).await.expect("inserts");
}

#[test]
fn urls() {
    let path = |url: &str| path_of(url).ok().map(|path| path.display().to_string());
    assert_eq!(path("sqlite:/a/b c%20?.db").as_deref(), Some("/a/b c%20?.db"));
    assert_eq!(path("sqlite:///a/b.db").as_deref(), Some("/a/b.db"));
    assert_eq!(path("sqlite:state.db").as_deref(), Some("state.db"));
    for bad in ["", "sqlite:", "sqlite::memory:", "postgres://x/y", "/a/b.db"] {
        assert_eq!(path(bad), None, "{bad}");
    }
}
