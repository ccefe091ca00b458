//! Objects: what goes in comes out, and what was refused leaves nothing.

use std::collections::HashSet;

use crate::upstream::{BodyAborted, ListRequest, ObjectRef, PutBody, StoredRange, Tags, UpstreamError, WriteCondition};

use super::{Bytes, Fixture, Quirk, assert_refused, key, noise, read_all};

pub(crate) async fn put_get_round_trip(f: &Fixture) {
    for (index, len) in [0, 1, 16_383, 65_536, 262_144, 262_145, 3_000_001].into_iter().enumerate() {
        let bytes = noise(len, index as u64);
        let name = format!("object-{len}");
        let facts = f.put(&name, &bytes).await;
        assert_eq!(facts.stored_bytes, len as u64);
        assert_eq!(f.get(&name).await.expect("a GET"), bytes, "{len} bytes");
        let head = f.head(&name).await.expect("a HEAD");
        assert_eq!((&head.etag, head.stored_bytes), (&facts.etag, facts.stored_bytes));
        // A service's answer to a PUT tells its own second, which may be the one after the object's.
        let apart = head.last_modified.unix_seconds().abs_diff(facts.last_modified.unix_seconds());
        assert!(apart <= 1, "{apart} s apart");
    }
    assert_refused!(f.get("never").await, UpstreamError::NoSuchKey);
    assert_refused!(f.head("never").await, UpstreamError::NoSuchKey);
}

pub(crate) async fn ranges(f: &Fixture) {
    let bytes = noise(100_000, 7);
    f.put("k", &bytes).await;
    for (offset, len) in [(0, 1), (0, 100_000), (99_999, 1), (65_535, 2), (50_000, 50_000)] {
        let (at, got) = f.get_range("k", StoredRange::Slice { offset, len }).await.expect("a slice");
        assert_eq!(at, offset);
        assert_eq!(got, bytes[offset as usize..(offset + len) as usize]);
    }
    for len in [1, 99_999, 100_000, 100_001, u64::MAX] {
        let (at, got) = f.get_range("k", StoredRange::Suffix { len }).await.expect("a suffix");
        let start = 100_000_usize.saturating_sub(usize::try_from(len).unwrap_or(usize::MAX));
        assert_eq!((at, got.as_slice()), (start as u64, &bytes[start..]), "suffix {len}");
    }
    let beyond = f.get_range("k", StoredRange::Slice { offset: 100_000, len: 1 }).await;
    assert_refused!(beyond, UpstreamError::InvalidRange);
    let far = f.get_range("k", StoredRange::Slice { offset: u64::MAX, len: u64::MAX }).await;
    assert_refused!(far, UpstreamError::InvalidRange);
}

pub(crate) async fn suffix_of_an_empty_object(f: &Fixture) {
    f.put("empty", b"").await;
    let (offset, bytes) = f.get_range("empty", StoredRange::Suffix { len: 65_536 }).await.expect("an empty body");
    assert_eq!((offset, bytes.len()), (0, 0));
}

pub(crate) async fn read_is_pinned_by_if_match(f: &Fixture) {
    let old = f.put("k", b"old").await.etag;
    let reply = f.upstream.get_object(&f.object("k"), StoredRange::Whole, Some(&old)).await.expect("it matches");
    assert_eq!(read_all(reply.body).await.expect("bytes"), b"old");
    f.put("k", b"new").await;
    let refused = f.upstream.get_object(&f.object("k"), StoredRange::Whole, Some(&old)).await;
    assert_refused!(refused, UpstreamError::PreconditionFailed);
    let refused = f.upstream.get_object(&f.object("none"), StoredRange::Whole, Some(&old)).await;
    assert_refused!(refused, UpstreamError::NoSuchKey | UpstreamError::PreconditionFailed);
}

pub(crate) async fn overwrite_replaces(f: &Fixture) {
    f.put("k", &noise(200_000, 1)).await;
    f.put("k", b"short").await;
    assert_eq!(f.get("k").await.expect("a GET"), b"short");
    assert_eq!(f.head("k").await.expect("a HEAD").stored_bytes, 5);
}

pub(crate) async fn delete_is_idempotent(f: &Fixture) {
    f.put("k", b"x").await;
    for _ in 0..2 {
        f.upstream.delete_object(&f.object("k"), WriteCondition::None).await.expect("a delete");
        assert_refused!(f.get("k").await, UpstreamError::NoSuchKey);
    }
}

pub(crate) async fn delete_objects_answers_each(f: &Fixture) {
    for name in ["a", "a/b", "c"] {
        f.put(name, b"x").await;
    }
    let objects: Vec<ObjectRef> = ["a", "missing", "a/b"].into_iter().map(|name| f.object(name)).collect();
    let results = f.upstream.delete_objects(&f.bucket, &objects).await.expect("results");
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let page = f.upstream.list_objects(&f.bucket, &ListRequest { max_entries: 10, ..Default::default() }).await;
    let left: Vec<String> = page.expect("a page").objects.iter().map(|object| object.key.to_string()).collect();
    assert_eq!(left, ["c"]);
    // More than one commit's worth.
    for index in 0..260 {
        f.put(&format!("many/{index:03}"), b"").await;
    }
    let objects: Vec<ObjectRef> = (0..260).map(|index| f.object(&format!("many/{index:03}"))).collect();
    assert_eq!(f.upstream.delete_objects(&f.bucket, &objects).await.expect("results").len(), 260);
    assert_refused!(f.head("many/259").await, UpstreamError::NoSuchKey);
}

/// Keys that file systems and URL libraries break on, all of them at once and each with its own bytes.
pub(crate) const SPECIAL_KEYS: &[&str] = &[
    "a",
    "a/",
    "a/b",
    "a//b",
    "/a",
    "//",
    "/",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    " ",
    " a b ",
    "a+b",
    "a%2Fb",
    "a%",
    "a\\b",
    "a?b#c&d=e",
    "\u{1}\u{8}\t\n\r\u{7f}",
    "A",
    "\u{e9}",
    "e\u{301}",
    "\u{65e5}\u{672c}",
    "\u{1f511}",
    "\u{fffd}",
    "\u{10ffff}",
    "'; DROP TABLE object; --",
    "<&\">",
];

pub(crate) async fn special_keys(f: &Fixture) {
    let long = ["\u{1f511}".repeat(256), "x".repeat(1024), format!("{}x", "/".repeat(1023))];
    let all: Vec<&str> = SPECIAL_KEYS.iter().copied().chain(long.iter().map(String::as_str)).collect();
    let keys = f.usable(&all);
    // Those with a slash at the start are not refused, but taken for others.
    for name in all.iter().filter(|key| f.mistakes(key) && !key.starts_with('/')) {
        assert_refused!(f.try_put(name, b"x", WriteCondition::None).await, UpstreamError::Unsupported(_));
    }
    for name in &keys {
        f.put(name, name.as_bytes()).await;
    }
    for name in &keys {
        assert_eq!(f.get(name).await.expect("a GET"), name.as_bytes(), "{name:?}");
    }
    let request = ListRequest { max_entries: 1000, ..Default::default() };
    let page = f.upstream.list_objects(&f.bucket, &request).await.expect("a page");
    let listed: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(listed, sorted, "UTF-8 byte order");
    for name in &keys {
        f.upstream.delete_object(&f.object(name), WriteCondition::None).await.expect("a delete");
        assert_refused!(f.head(name).await, UpstreamError::NoSuchKey);
    }
}

pub(crate) async fn tags_live_with_the_object(f: &Fixture) {
    // Of the characters that S3 allows in tags, those that mean something in forms and XML.
    let mut tags: Tags = vec![("b=:/".into(), "\u{e9} +@".into()), ("a".into(), String::new())];
    if f.has(Quirk::TagsAreAscii) {
        let body = PutBody { stored_bytes: 1, source: &mut Bytes::new(b"x") };
        let refused = f.upstream.put_object(&f.bucket, &key("k"), body, WriteCondition::None, &tags).await;
        assert_refused!(refused, UpstreamError::Unsupported(_));
        tags[0].1 = "e +@".into();
    }
    let put = |tags: Tags| async move {
        let body = PutBody { stored_bytes: 1, source: &mut Bytes::new(b"x") };
        f.upstream.put_object(&f.bucket, &key("k"), body, WriteCondition::None, &tags).await.expect("a PUT")
    };
    let facts = put(tags.clone()).await;
    let by_name = |mut tags: Tags| {
        tags.sort();
        tags
    };
    assert_eq!(by_name(f.upstream.get_tags(&f.object("k")).await.expect("tags")), by_name(tags));
    assert_eq!(f.head("k").await.expect("a HEAD").tag_count, 2);
    let others: Tags = vec![("c".into(), "d".into())];
    f.upstream.put_tags(&f.object("k"), &others).await.expect("new tags");
    assert_eq!(f.upstream.get_tags(&f.object("k")).await.expect("tags"), others);
    let head = f.head("k").await.expect("a HEAD");
    assert_eq!((&head.etag, head.tag_count), (&facts.etag, 1), "tags do not change the ETag");
    f.upstream.put_tags(&f.object("k"), &Tags::new()).await.expect("no tags");
    assert_eq!(f.upstream.get_tags(&f.object("k")).await.expect("tags"), Tags::new());
    f.upstream.put_tags(&f.object("k"), &others).await.expect("new tags");
    put(Tags::new()).await;
    assert_eq!(f.upstream.get_tags(&f.object("k")).await.expect("tags"), Tags::new(), "a new object has its own");
    assert_refused!(f.upstream.get_tags(&f.object("none")).await, UpstreamError::NoSuchKey);
    assert_refused!(f.upstream.put_tags(&f.object("none"), &others).await, UpstreamError::NoSuchKey);
}

pub(crate) async fn refused_bodies_publish_nothing(f: &Fixture) {
    let bytes = noise(300_000, 3);
    let old = f.put("there", b"old").await;
    for name in ["there", "new"] {
        for (promised, mut source) in [
            (300_000_u64, Bytes::then_refused(&bytes)),
            (300_000, Bytes::then_refused(&bytes[..1])),
            (300_000, Bytes::then_refused(b"")),
            (300_001, Bytes::new(&bytes)),
            (1, Bytes::new(b"")),
            (299_999, Bytes::new(&bytes)),
            (0, Bytes::new(&bytes)),
            (262_144, Bytes::new(&bytes)),
        ] {
            let body = PutBody { stored_bytes: promised, source: &mut source };
            let refused = f.upstream.put_object(&f.bucket, &key(name), body, WriteCondition::None, &Tags::new()).await;
            assert_refused!(refused, UpstreamError::Body(BodyAborted));
        }
    }
    assert_refused!(f.head("new").await, UpstreamError::NoSuchKey);
    assert_eq!(f.get("there").await.expect("a GET"), b"old");
    assert_eq!(f.head("there").await.expect("a HEAD").etag, old.etag);
}

/// A GET that has begun finishes with its own bytes, or fails loudly; it never turns into the other object.
pub(crate) async fn get_survives_overwrite_and_delete(f: &Fixture) {
    let bytes = noise(2_000_000, 5);
    f.put("k", &bytes).await;
    let first = f.upstream.get_object(&f.object("k"), StoredRange::Whole, None).await.expect("a GET");
    f.put("k", &noise(2_000_000, 6)).await;
    let second = f.upstream.get_object(&f.object("k"), StoredRange::Whole, None).await.expect("a GET");
    f.upstream.delete_object(&f.object("k"), WriteCondition::None).await.expect("a delete");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    for (body, seed) in [(first.body, 5), (second.body, 6)] {
        match read_all(body).await {
            Ok(read) => assert!(read == noise(2_000_000, seed), "bytes of another object"),
            Err(UpstreamError::Broken(_) | UpstreamError::Unavailable(_) | UpstreamError::PreconditionFailed) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The index's validator: equal bytes, stored again, are another object.
pub(crate) async fn etag_changes_with_every_write(f: &Fixture) {
    let mut seen = HashSet::new();
    for round in 0..5 {
        let facts = f.put("k", &noise(10, round)).await;
        assert!(seen.insert(facts.etag), "an ETag came back");
    }
}
