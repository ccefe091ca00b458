//! Conditional writes: atomic with the write, also among many at once.

use std::sync::Arc;

use crate::upstream::{PutBody, Tags, UpstreamError, UpstreamEtag, WriteCondition};

use super::{Bytes, Fixture, Quirk, Untouched, assert_refused, key};

fn other_etag() -> UpstreamEtag {
    UpstreamEtag("00000000000000000000000000000000".into())
}

pub(crate) async fn put_conditions(f: &Fixture) {
    let refused = f.try_put("k", b"x", WriteCondition::Matches(other_etag())).await;
    assert_refused!(refused, UpstreamError::NoSuchKey);
    let first = f.try_put("k", b"1", WriteCondition::Absent).await.expect("nothing was there").etag;
    assert_refused!(f.try_put("k", b"2", WriteCondition::Absent).await, UpstreamError::PreconditionFailed);
    let refused = f.try_put("k", b"2", WriteCondition::Matches(other_etag())).await;
    assert_refused!(refused, UpstreamError::PreconditionFailed);
    assert_eq!(f.get("k").await.expect("a GET"), b"1");
    f.try_put("k", b"2", WriteCondition::Matches(first.clone())).await.expect("it matches");
    let refused = f.try_put("k", b"3", WriteCondition::Matches(first)).await;
    assert_refused!(refused, UpstreamError::PreconditionFailed);
    assert_eq!(f.get("k").await.expect("a GET"), b"2");
}

pub(crate) async fn delete_conditions(f: &Fixture) {
    if f.has(Quirk::ConditionsOnDeleteAreIgnored) {
        f.put("k", b"x").await;
        let deleted = f.upstream.delete_object(&f.object("k"), WriteCondition::Matches(other_etag())).await;
        deleted.expect("nobody looks at the condition");
        assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
        return;
    }
    let refused = f.upstream.delete_object(&f.object("k"), WriteCondition::Matches(other_etag())).await;
    assert_refused!(refused, UpstreamError::NoSuchKey);
    let etag = f.put("k", b"x").await.etag;
    let refused = f.upstream.delete_object(&f.object("k"), WriteCondition::Matches(other_etag())).await;
    assert_refused!(refused, UpstreamError::PreconditionFailed);
    f.head("k").await.expect("it is still there");
    f.upstream.delete_object(&f.object("k"), WriteCondition::Matches(etag)).await.expect("it matches");
    assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
}

pub(crate) async fn complete_conditions(f: &Fixture) {
    let upload = f.begin("k").await;
    let parts = [(1, f.part(&upload, 1, b"part").await)];
    let existing = f.put("k", b"x").await.etag;
    for condition in [WriteCondition::Absent, WriteCondition::Matches(other_etag())] {
        let refused = f.upstream.complete_multipart(&upload, &parts, condition).await;
        assert_refused!(refused, UpstreamError::PreconditionFailed);
    }
    assert_eq!(f.get("k").await.expect("a GET"), b"x");
    let done = f.upstream.complete_multipart(&upload, &parts, WriteCondition::Matches(existing)).await;
    done.expect("the upload is still there, and this matches");
    assert_eq!(f.get("k").await.expect("a GET"), b"part");
    let upload = f.begin("other").await;
    let parts = [(1, f.part(&upload, 1, b"part").await)];
    let refused = f.upstream.complete_multipart(&upload, &parts, WriteCondition::Matches(other_etag())).await;
    assert_refused!(refused, UpstreamError::NoSuchKey);
    f.upstream.complete_multipart(&upload, &parts, WriteCondition::Absent).await.expect("nothing is there");
}

const RACERS: usize = 24;

/// `RACERS` conditional PUTs at once; returns the winners' bytes.
async fn race(f: &Fixture, condition: WriteCondition) -> Vec<Vec<u8>> {
    let start = Arc::new(tokio::sync::Barrier::new(RACERS));
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (upstream, bucket, condition) = (Arc::clone(&f.upstream), f.bucket.clone(), condition.clone());
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                let bytes = format!("racer {racer}").into_bytes();
                start.wait().await;
                let mut source = Bytes::new(&bytes);
                let body = PutBody { stored_bytes: bytes.len() as u64, source: &mut source };
                match upstream.put_object(&bucket, &key("race"), body, condition, &Tags::new()).await {
                    Ok(_) => Some(bytes),
                    Err(UpstreamError::PreconditionFailed | UpstreamError::Conflict) => None,
                    Err(other) => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        winners.extend(racer.await.expect("a racer"));
    }
    winners
}

pub(crate) async fn racing_creates_have_one_winner(f: &Fixture) {
    let winners = race(f, WriteCondition::Absent).await;
    assert_eq!(winners.len(), 1);
    assert_eq!(f.get("race").await.expect("a GET"), winners[0]);
}

pub(crate) async fn racing_replacements_have_one_winner(f: &Fixture) {
    let etag = f.put("race", b"before").await.etag;
    let winners = race(f, WriteCondition::Matches(etag)).await;
    assert_eq!(winners.len(), 1);
    assert_eq!(f.get("race").await.expect("a GET"), winners[0]);
}

/// Gigabytes need not travel to be refused. (An upstream may still read the body; this one must not publish.)
pub(crate) async fn failed_condition_is_told_before_the_body(f: &Fixture) {
    f.put("k", b"x").await;
    let body = PutBody { stored_bytes: 1 << 30, source: &mut Untouched };
    let refused = f.upstream.put_object(&f.bucket, &key("k"), body, WriteCondition::Absent, &Tags::new()).await;
    assert_refused!(refused, UpstreamError::PreconditionFailed);
}
