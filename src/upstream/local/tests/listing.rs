//! Listings of random keys against the model, and what a page costs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use sqlx::sqlite::SqliteConnection;

use crate::base::BucketName;
use crate::upstream::suite::list::{ListPageNames, model};
use crate::upstream::{ListRequest, Upstream};

use super::super::LocalUpstream;
use super::super::blob::BlobName;
use super::super::fault::NamesError;
use super::super::list::Walk;
use super::super::writer::{Change, RoomEffect};
use super::open;

/// Rows without blobs: a listing does not look at those, and hundreds of syncs are saved.
struct NameOnly {
    bucket: BucketName,
    keys: BTreeSet<String>,
}

#[async_trait::async_trait]
impl Change for NameOnly {
    type Answer = i64;
    const ROOM: RoomEffect = RoomEffect::Takes;

    async fn apply(&self, names: &mut SqliteConnection, _: &mut Vec<BlobName>) -> Result<i64, NamesError> {
        let bucket = super::super::bucket::bucket_id(names, &self.bucket).await?;
        for key in &self.keys {
            sqlx::query(
                "INSERT INTO object (bucket, key, etag, stored_bytes, last_modified_ms, tags) \
                 VALUES (?1, ?2, zeroblob(16), 0, 0, '')",
            )
            .bind(bucket)
            .bind(key.as_bytes())
            .execute(&mut *names)
            .await?;
        }
        Ok(bucket)
    }
}

async fn name_only(upstream: &LocalUpstream, bucket: &str, keys: BTreeSet<String>) -> (BucketName, i64) {
    let bucket = BucketName::parse(bucket).expect("a name");
    upstream.create_bucket(&bucket).await.expect("a bucket");
    let id = upstream.names.writer.commit(NameOnly { bucket: bucket.clone(), keys }).await.expect("names");
    (bucket, id)
}

/// Few and odd building blocks, so that keys, prefixes, delimiters and markers meet.
fn text() -> impl Strategy<Value = String> {
    let block = prop_oneof![
        8 => Just("/".to_owned()),
        8 => Just("a".to_owned()),
        4 => Just("b".to_owned()),
        2 => Just("..".to_owned()),
        1 => Just("%".to_owned()),
        1 => Just("\u{0}".to_owned()),
        1 => Just("\u{7f}".to_owned()),
        1 => Just("\u{e9}".to_owned()),
        1 => Just("\u{10ffff}".to_owned()),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(block, 0..6).prop_map(|blocks| blocks.concat())
}

fn request() -> impl Strategy<Value = ListRequest> {
    let max_entries = prop_oneof![0_u32..4, 5_u32..40, Just(1000)];
    (text(), proptest::option::of(text()), proptest::option::of(text()), max_entries).prop_map(
        |(prefix, delimiter, after, max_entries)| ListRequest {
            prefix,
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
            after,
            max_entries,
        },
    )
}

#[test]
fn random_keys_match_the_model() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = runtime.block_on(open(&dir.path().join("data")));
    let buckets = AtomicU32::new(0);
    let keys = proptest::collection::btree_set(text().prop_filter("a key", |key| !key.is_empty()), 0..60);
    let requests = proptest::collection::vec(request(), 30);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(64) });
    let result = runner.run(&(keys, requests), |(keys, requests)| {
        let name = format!("bucket-{}", buckets.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let (bucket, _) = name_only(&upstream, &name, keys.clone()).await;
            for request in requests {
                let page = upstream.list_objects(&bucket, &request).await.expect("a page");
                assert_eq!(ListPageNames::from(page), model(&keys, &request), "{keys:?} {request:?}");
            }
        });
        Ok(())
    });
    result.expect("every listing is the model's");
}

/// Ten common prefixes with 2,000 keys below each: a page of them reads a handful of rows per prefix.
#[tokio::test]
async fn common_prefix_costs_one_seek() {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = open(&dir.path().join("data")).await;
    let keys = (0..20_000).map(|index| format!("p{}/{index:05}", index % 10)).collect();
    let (_, bucket) = name_only(&upstream, "seek", keys).await;
    let mut reader = upstream.names.reader().await.expect("a reader");
    let request = ListRequest { delimiter: Some("/".into()), max_entries: 1000, ..Default::default() };
    let mut walk = Walk { names: &mut reader, bucket, request: &request, rows_read: 0 };
    let page = walk.page().await.expect("a page");
    assert_eq!(page.common_prefixes.len(), 10);
    assert!(walk.rows_read <= 10 * 32, "{} rows read", walk.rows_read);
    let request = ListRequest { prefix: "p3/".into(), max_entries: 1000, ..Default::default() };
    let mut walk = Walk { names: &mut reader, bucket, request: &request, rows_read: 0 };
    assert_eq!(walk.page().await.expect("a page").objects.len(), 1000);
    assert_eq!(walk.rows_read, 1001);
}

/// SQLite seeks in the index and sorts nothing.
#[tokio::test]
async fn listing_is_an_index_range() {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = open(&dir.path().join("data")).await;
    let mut reader = upstream.names.reader().await.expect("a reader");
    for statement in [super::super::list::FETCH, super::super::list::FETCH_BELOW] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(&mut *reader).await.expect("a plan");
        let plan: Vec<String> = plan.into_iter().map(|step| step.3).collect();
        assert_eq!(plan.len(), 1, "{plan:?}");
        assert!(plan[0].starts_with("SEARCH object USING INDEX") && plan[0].contains("key>?"), "{plan:?}");
    }
}
