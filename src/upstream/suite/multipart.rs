//! Multipart uploads.

use crate::base::limits::MIN_PART_BYTES;
use crate::upstream::{
    BodyAborted, PutBody, StoredRange, Tags, UploadRef, UpstreamError, UpstreamEtag, UpstreamUploadId, WriteCondition,
};

use super::{Bytes, Fixture, Quirk, Untouched, assert_refused, key, noise, read_all};

const PART: usize = MIN_PART_BYTES as usize;

pub(crate) async fn parts_in_any_order(f: &Fixture) {
    let parts = [noise(PART, 1), noise(PART + 1, 2), noise(777, 3)];
    let upload = f.begin("k").await;
    let mut etags = Vec::new();
    for index in [2, 0, 1] {
        // Gaps in the numbers are fine.
        etags.push((10 * index as u16 + 5, f.part(&upload, 10 * index as u16 + 5, &parts[index]).await));
    }
    etags.sort_unstable();
    assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
    let facts = f.complete(&upload, &etags).await.expect("complete");
    let whole = parts.concat();
    assert_eq!(facts.stored_bytes, whole.len() as u64);
    assert!(f.get("k").await.expect("a GET") == whole);
    assert_eq!(f.head("k").await.expect("a HEAD").etag, facts.etag);
}

pub(crate) async fn range_reads_span_parts(f: &Fixture) {
    let parts = [noise(PART, 1), noise(PART + 3, 2), noise(100, 3)];
    let upload = f.begin("k").await;
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(&parts) {
        etags.push((number, f.part(&upload, number, part).await));
    }
    f.complete(&upload, &etags).await.expect("complete");
    let whole = parts.concat();
    let second = PART as u64;
    let third = second + PART as u64 + 3;
    for (offset, len) in [
        (0, 1),
        (second - 1, 1),
        (second - 1, 2),
        (second, 1),
        (second, PART as u64 + 3),
        (second - 5, PART as u64 + 20),
        (third - 1, 2),
        (third, 100),
        (third + 99, 1),
        (0, third + 100),
    ] {
        let (at, bytes) = f.get_range("k", StoredRange::Slice { offset, len }).await.expect("a slice");
        assert_eq!(at, offset);
        assert!(bytes == whole[offset as usize..(offset + len) as usize], "{offset}+{len}");
    }
    for len in [1, 100, 101, 65_536, 1 << 40] {
        let (at, bytes) = f.get_range("k", StoredRange::Suffix { len }).await.expect("a suffix");
        assert!(bytes == whole[at as usize..], "suffix {len}");
    }
}

pub(crate) async fn resent_part_replaces(f: &Fixture) {
    let upload = f.begin("k").await;
    let old = f.part(&upload, 1, b"old").await;
    let new = f.part(&upload, 1, b"newer").await;
    assert_ne!(old, new);
    assert_refused!(f.complete(&upload, &[(1, old)]).await, UpstreamError::InvalidPart { number: 1 });
    let listed = f.upstream.list_parts(&upload, 0, 10).await.expect("parts");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].number, &listed[0].etag, listed[0].stored_bytes), (1, &new, 5));
    f.complete(&upload, &[(1, new)]).await.expect("complete");
    assert_eq!(f.get("k").await.expect("a GET"), b"newer");
}

pub(crate) async fn subset_completes(f: &Fixture) {
    let upload = f.begin("k").await;
    let mut etags = Vec::new();
    for number in 1..=4 {
        etags.push((number, f.part(&upload, number, &noise(PART, u64::from(number))).await));
    }
    f.complete(&upload, &[etags[1].clone(), etags[3].clone()]).await.expect("complete");
    assert!(f.get("k").await.expect("a GET") == [noise(PART, 2), noise(PART, 4)].concat());
}

async fn assert_nothing_to_abort(f: &Fixture, upload: &UploadRef) {
    match f.upstream.abort_multipart(upload).await {
        Ok(()) => assert!(f.has(Quirk::AbortingNothingSucceeds), "an abort of nothing succeeds"),
        Err(UpstreamError::NoSuchUpload) => assert!(!f.has(Quirk::AbortingNothingSucceeds), "it fails, as it should"),
        Err(other) => panic!("{other:?}"),
    }
}

pub(crate) async fn complete_twice(f: &Fixture) {
    let upload = f.begin("k").await;
    let parts = [(1, f.part(&upload, 1, b"x").await)];
    f.complete(&upload, &parts).await.expect("complete");
    assert_refused!(f.complete(&upload, &parts).await, UpstreamError::NoSuchUpload);
    assert_nothing_to_abort(f, &upload).await;
    assert_refused!(f.upstream.list_parts(&upload, 0, 10).await, UpstreamError::NoSuchUpload);
    assert_eq!(f.get("k").await.expect("a GET"), b"x");
}

pub(crate) async fn bad_part_lists_are_refused(f: &Fixture) {
    let upload = f.begin("k").await;
    let small = (1, f.part(&upload, 1, &noise(PART - 1, 1)).await);
    let large = (2, f.part(&upload, 2, &noise(PART, 2)).await);
    let tail = (3, f.part(&upload, 3, b"x").await);
    let never = (4, UpstreamEtag("00000000000000000000000000000000".into()));
    let swapped = (2, small.1.clone());
    for (list, number) in [
        (vec![never.clone()], 4),
        (vec![large.clone(), never.clone()], 4),
        (vec![swapped], 2),
        (vec![tail.clone(), large.clone()], 2),
        (vec![large.clone(), large.clone()], 2),
    ] {
        match f.complete(&upload, &list).await {
            Err(UpstreamError::InvalidPart { number: told }) => assert_eq!(told, number, "{list:?}"),
            other => panic!("{list:?}: {other:?}"),
        }
    }
    assert_refused!(f.complete(&upload, &[]).await, UpstreamError::InvalidPart { .. } | UpstreamError::Broken(_));
    let too_small = f.complete(&upload, &[small.clone(), large.clone()]).await;
    assert_refused!(too_small, UpstreamError::PartTooSmall { number: 1 });
    assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
    f.complete(&upload, &[large, tail]).await.expect("the upload is still there");
}

pub(crate) async fn part_10001_is_taken(f: &Fixture) {
    let upload = f.begin("k").await;
    let highest = if f.has(Quirk::PartsEndAt10000) { 10_000 } else { 10_001 };
    let last = f.part(&upload, highest, b"footer").await;
    for number in [0, highest + 1, u16::MAX] {
        let body = PutBody { stored_bytes: 1, source: &mut Untouched };
        assert_refused!(f.upstream.upload_part(&upload, number, body).await, UpstreamError::InvalidPart { .. });
    }
    let first = f.part(&upload, 1, &noise(PART, 1)).await;
    f.complete(&upload, &[(1, first), (highest, last)]).await.expect("complete");
    let (_, tail) = f.get_range("k", StoredRange::Suffix { len: 6 }).await.expect("a suffix");
    assert_eq!(tail, b"footer");
}

pub(crate) async fn abort_forgets(f: &Fixture) {
    let upload = f.begin("k").await;
    let part = f.part(&upload, 1, b"x").await;
    f.upstream.abort_multipart(&upload).await.expect("an abort");
    assert_nothing_to_abort(f, &upload).await;
    assert_refused!(f.complete(&upload, &[(1, part)]).await, UpstreamError::NoSuchUpload);
    let body = PutBody { stored_bytes: f.unread_bytes(), source: &mut Untouched };
    assert_refused!(f.upstream.upload_part(&upload, 1, body).await, UpstreamError::NoSuchUpload);
    assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
    let mut elsewhere = f.begin("k").await;
    elsewhere.key = key("another key");
    assert_nothing_to_abort(f, &elsewhere).await;
    elsewhere.id = UpstreamUploadId("' OR 1=1".into());
    assert_refused!(f.upstream.list_parts(&elsewhere, 0, 1).await, UpstreamError::NoSuchUpload);
}

/// A body that aborts its own upload just before it ends.
struct AbortsItself<'a> {
    fixture: &'a Fixture,
    upload: &'a UploadRef,
    left: usize,
}

#[async_trait::async_trait]
impl crate::upstream::BodySource for AbortsItself<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        if self.left == 0 {
            self.fixture.upstream.abort_multipart(self.upload).await.expect("an abort");
            return Ok(0);
        }
        into[..self.left].fill(7);
        Ok(std::mem::take(&mut self.left))
    }
}

pub(crate) async fn late_part_is_refused(f: &Fixture) {
    let upload = f.begin("k").await;
    let mut source = AbortsItself { fixture: f, upload: &upload, left: 9 };
    let body = PutBody { stored_bytes: 9, source: &mut source };
    assert_refused!(f.upstream.upload_part(&upload, 1, body).await, UpstreamError::NoSuchUpload);
}

pub(crate) async fn refused_part_bodies_keep_the_earlier_part(f: &Fixture) {
    let upload = f.begin("k").await;
    let kept = f.part(&upload, 1, b"kept").await;
    let bytes = noise(400_000, 1);
    for (promised, mut source) in
        [(400_000_u64, Bytes::then_refused(&bytes)), (400_001, Bytes::new(&bytes)), (399_999, Bytes::new(&bytes))]
    {
        for number in [1, 2] {
            let body = PutBody { stored_bytes: promised, source: &mut source };
            let refused = f.upstream.upload_part(&upload, number, body).await;
            assert_refused!(refused, UpstreamError::Body(BodyAborted));
        }
    }
    let listed = f.upstream.list_parts(&upload, 0, 10).await.expect("parts");
    assert_eq!(listed.len(), 1);
    f.complete(&upload, &[(1, kept)]).await.expect("complete");
    assert_eq!(f.get("k").await.expect("a GET"), b"kept");
}

pub(crate) async fn part_copy(f: &Fixture) {
    let parts = [noise(PART, 1), noise(100_000, 2)];
    let upload = f.begin("source").await;
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(&parts) {
        etags.push((number, f.part(&upload, number, part).await));
    }
    let source = f.complete(&upload, &etags).await.expect("complete");
    let whole = parts.concat();
    let upload = f.begin("copy").await;
    let object = f.object("source");
    let range = StoredRange::Slice { offset: 10, len: PART as u64 + 50_000 };
    let first = f.upstream.upload_part_copy(&upload, 1, &object, range, Some(&source.etag)).await.expect("a copy");
    assert_eq!(first.stored_bytes, PART as u64 + 50_000);
    let second = f.upstream.upload_part_copy(&upload, 2, &object, StoredRange::Whole, None).await.expect("a copy");
    let wrong = UpstreamEtag("00000000000000000000000000000000".into());
    let refused = f.upstream.upload_part_copy(&upload, 3, &object, StoredRange::Whole, Some(&wrong)).await;
    assert_refused!(refused, UpstreamError::PreconditionFailed);
    let refused = f.upstream.upload_part_copy(&upload, 3, &f.object("none"), StoredRange::Whole, None).await;
    assert_refused!(refused, UpstreamError::NoSuchKey);
    f.upstream.delete_object(&object, WriteCondition::None).await.expect("a delete");
    f.complete(&upload, &[(1, first.etag), (2, second.etag)]).await.expect("complete");
    let expected = [&whole[10..10 + PART + 50_000], &whole[..]].concat();
    assert!(f.get("copy").await.expect("a GET") == expected, "the copy outlives its source");
}

pub(crate) async fn lists_are_paged(f: &Fixture) {
    let upload = f.begin("k").await;
    for number in [3, 1, 7, 10_000, 2] {
        f.part(&upload, number, b"x").await;
    }
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = f.upstream.list_parts(&upload, after, 2).await.expect("parts");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = last.number;
        seen.extend(page.iter().map(|part| part.number));
    }
    assert_eq!(seen, [1, 2, 3, 7, 10_000]);

    let mut expected = vec![(upload.key.clone(), upload.id.clone())];
    for name in ["a", "k", "k", "\u{e9}", "k/"] {
        if f.has(Quirk::KeysArePaths) && name.ends_with('/') {
            let refused = f.upstream.create_multipart(&f.bucket, &key(name), &Tags::new()).await;
            assert_refused!(refused, UpstreamError::Unsupported(_));
            continue;
        }
        let upload = f.begin(name).await;
        expected.push((upload.key, upload.id));
    }
    expected.sort();
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map(|(key, id): &(crate::base::ObjectKey, UpstreamUploadId)| (key.as_str(), &*id.0));
        let page = f.upstream.list_uploads(&f.bucket, after, 2).await.expect("uploads");
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|listed| (listed.upload.key, listed.upload.id)));
    }
    assert_eq!(seen, expected, "by key, then id");
}

pub(crate) async fn tags_of_the_upload(f: &Fixture) {
    let tags: Tags = vec![("a".into(), "b".into())];
    let upload = f.upstream.create_multipart(&f.bucket, &key("k"), &tags).await.expect("an upload");
    let part = f.part(&upload, 1, b"x").await;
    f.complete(&upload, &[(1, part)]).await.expect("complete");
    assert_eq!(f.upstream.get_tags(&f.object("k")).await.expect("tags"), tags);
}

pub(crate) async fn one_small_part(f: &Fixture) {
    for bytes in [&b""[..], b"x"] {
        let upload = f.begin("k").await;
        let part = f.part(&upload, 9, bytes).await;
        f.complete(&upload, &[(9, part)]).await.expect("the last part may be small");
        assert_eq!(f.get("k").await.expect("a GET"), bytes);
    }
}

pub(crate) async fn get_survives_delete_of_many_parts(f: &Fixture) {
    let upload = f.begin("k").await;
    let mut etags = Vec::new();
    for number in 1..=3 {
        etags.push((number, f.part(&upload, number, &noise(PART, u64::from(number))).await));
    }
    f.complete(&upload, &etags).await.expect("complete");
    let reply = f.upstream.get_object(&f.object("k"), StoredRange::Whole, None).await.expect("a GET");
    f.upstream.delete_object(&f.object("k"), WriteCondition::None).await.expect("a delete");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    match read_all(reply.body).await {
        Ok(read) => assert!(read == [noise(PART, 1), noise(PART, 2), noise(PART, 3)].concat()),
        Err(UpstreamError::Broken(_) | UpstreamError::Unavailable(_) | UpstreamError::PreconditionFailed) => {}
        Err(other) => panic!("{other:?}"),
    }
}
