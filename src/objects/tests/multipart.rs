//! Multipart uploads: any order, any size, re-sent, completed twice, cut off.

use std::sync::Arc;
use std::time::Duration;

use super::{Body, World, internal_bucket, new_object, pattern};
use crate::base::{ChecksumAlgorithm, ChecksumType, ETag, ObjectKey, PartNumber};
use crate::objects::{
    ChecksumConflict, CompleteUpload, CompletedPart, CreateUpload, ObjectError, PartChecksum, UploadListRequest,
    UploadPart, WriteGuard, Written, WrittenPart,
};
use crate::upstream::{ListRequest, Tags, Upstream, UpstreamError};

const MIB: usize = 1 << 20;

type Checksum = Option<(ChecksumAlgorithm, ChecksumType)>;

impl World {
    pub(super) async fn begin(&self, key: &ObjectKey, checksum: Checksum) -> String {
        let create = CreateUpload { bucket: &self.bucket, key, object: new_object(), checksum };
        self.objects.create_upload(create).await.expect("begun").upload_id
    }

    pub(super) async fn part(
        &self,
        key: &ObjectKey,
        id: &str,
        number: u32,
        plain: &[u8],
    ) -> Result<WrittenPart, ObjectError> {
        self.part_body(key, id, number, Body::of(plain), plain.len() as u64).await
    }

    pub(super) async fn part_body(
        &self,
        key: &ObjectKey,
        id: &str,
        number: u32,
        mut body: Body,
        plaintext_bytes: u64,
    ) -> Result<WrittenPart, ObjectError> {
        let part = UploadPart {
            bucket: &self.bucket,
            key,
            upload_id: id,
            number: PartNumber::new(number).expect("a number"),
            plaintext_bytes,
            checksum: PartChecksum::Unsent,
        };
        self.objects.upload_part(part, &mut body).await
    }

    pub(super) async fn complete(
        &self,
        key: &ObjectKey,
        id: &str,
        parts: &[(u32, ETag)],
    ) -> Result<Written, ObjectError> {
        self.complete_if(key, id, parts, WriteGuard::None).await
    }

    pub(super) async fn complete_if(
        &self,
        key: &ObjectKey,
        id: &str,
        parts: &[(u32, ETag)],
        guard: WriteGuard,
    ) -> Result<Written, ObjectError> {
        let parts = parts.iter().map(|&(number, etag)| CompletedPart {
            number: PartNumber::new(number).expect("a number"),
            etag: Some(etag),
            digests: Vec::new(),
        });
        let complete = CompleteUpload {
            bucket: &self.bucket,
            key,
            upload_id: id,
            parts: parts.collect(),
            checksum: None,
            checksum_type: None,
            object_bytes: None,
            guard,
        };
        self.objects.complete_upload(complete).await
    }

    /// Temporary objects in the internal bucket.
    pub(super) async fn held(&self) -> usize {
        let request = ListRequest { prefix: "tmp/".into(), max_entries: 1000, ..ListRequest::default() };
        let bucket = &internal_bucket();
        self.upstream.list_objects(bucket, &request).await.expect("lists").objects.len()
    }
}

/// Parts in any order and with gaps, a short tail that is held back and joined with the footer.
#[tokio::test]
async fn parts_in_any_order_with_a_short_tail() {
    let world = World::new().await;
    let key = world.key("big");
    let id = world.begin(&key, None).await;
    let (one, two, tail) = (pattern(5 * MIB + 3), pattern(6 * MIB), pattern(100_001));
    let c = world.part(&key, &id, 9, &tail).await.expect("stored");
    let a = world.part(&key, &id, 2, &one).await.expect("stored");
    let b = world.part(&key, &id, 5, &two).await.expect("stored");
    assert_eq!(world.held().await, 1);
    let listed = world.objects.list_parts(&world.bucket, &key, &id, 0, 1000).await.expect("lists");
    let sizes: Vec<_> = listed.parts.iter().map(|part| (part.number.get(), part.plaintext_bytes)).collect();
    assert_eq!(sizes, [(2, one.len() as u64), (5, two.len() as u64), (9, tail.len() as u64)]);
    let written = world.complete(&key, &id, &[(2, a.etag), (5, b.etag), (9, c.etag)]).await.expect("completes");
    assert!(matches!(written.etag, ETag::Multipart(_, 3)));
    let (facts, read) = world.get(&key).await.expect("readable");
    assert!(read == [one, two, tail].concat());
    assert_eq!((facts.parts_count(), facts.etag()), (Some(3), written.etag));
    assert_eq!(world.held().await, 0, "held-back parts are gone");
    let again = world.complete(&key, &id, &[(2, a.etag), (5, b.etag), (9, c.etag)]).await.expect("idempotent");
    assert_eq!(again.etag, written.etag);
    assert!(matches!(world.part(&key, &id, 1, b"late").await, Err(ObjectError::NoSuchUpload)));
}

/// Each attempt at a part has a salt of its own; the one that the client lists is the one that counts.
#[tokio::test]
async fn a_part_sent_again() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let (old, new) = (vec![1; 5 * MIB], vec![2; 5 * MIB]);
    let first = world.part(&key, &id, 1, &old).await.expect("stored");
    let second = world.part(&key, &id, 1, &new).await.expect("stored");
    let again = world.part(&key, &id, 1, &new).await.expect("stored");
    assert!(second.etag == again.etag && first.etag != again.etag);
    let listed = world.objects.list_parts(&world.bucket, &key, &id, 0, 1000).await.expect("lists");
    assert_eq!(listed.parts.len(), 1);
    assert!(matches!(world.complete(&key, &id, &[(1, first.etag)]).await, Err(ObjectError::InvalidPart { .. })));
    world.complete(&key, &id, &[(1, again.etag)]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == new);
}

/// Small parts sent again are told apart too, and a part may shrink below what is held back.
#[tokio::test]
async fn a_small_part_sent_again() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    world.part(&key, &id, 1, &pattern(5 * MIB)).await.expect("stored");
    let first = world.part(&key, &id, 1, b"one").await.expect("stored");
    let last = world.part(&key, &id, 1, b"two").await.expect("stored");
    let listed = world.objects.list_parts(&world.bucket, &key, &id, 0, 1000).await.expect("lists");
    assert_eq!((listed.parts.len(), listed.parts[0].plaintext_bytes), (1, 3));
    let old = world.complete(&key, &id, &[(1, first.etag)]).await;
    assert!(matches!(old, Err(ObjectError::InvalidPart { .. })), "the last attempt to finish is the part");
    world.complete(&key, &id, &[(1, last.etag)]).await.expect("completes");
    assert_eq!(world.get(&key).await.expect("readable").1, b"two");
    assert_eq!(world.held().await, 0);
}

#[tokio::test]
async fn wrong_lists_are_refused_and_the_upload_stays() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let small = world.part(&key, &id, 1, b"small").await.expect("stored").etag;
    let big = world.part(&key, &id, 2, &pattern(5 * MIB)).await.expect("stored").etag;
    let too_small = world.complete(&key, &id, &[(1, small), (2, big)]).await;
    assert!(matches!(too_small, Err(ObjectError::PartTooSmall { plaintext_bytes: 5, .. })));
    assert!(matches!(world.complete(&key, &id, &[(2, big), (1, small)]).await, Err(ObjectError::InvalidPartOrder)));
    assert!(matches!(world.complete(&key, &id, &[(3, big)]).await, Err(ObjectError::InvalidPart { .. })));
    assert!(matches!(world.complete(&key, &id, &[(2, small)]).await, Err(ObjectError::InvalidPart { .. })));
    assert!(matches!(world.complete(&world.key("other"), &id, &[(2, big)]).await, Err(ObjectError::NoSuchUpload)));
    world.complete(&key, &id, &[(2, big)]).await.expect("a subset completes");
    assert!(world.get(&key).await.expect("readable").1 == pattern(5 * MIB));
}

/// The upstream did it and the answer was lost: asked again, Complete finds its own object.
#[tokio::test]
async fn a_complete_that_was_cut_off_after_its_success() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let part = world.part(&key, &id, 1, b"content").await.expect("stored").etag;
    world.upstream.lose_answer_of("complete_multipart");
    assert!(world.complete(&key, &id, &[(1, part)]).await.is_err());
    let written = world.complete(&key, &id, &[(1, part)]).await.expect("it had been done");
    assert!(matches!(written.etag, ETag::Multipart(_, 1)));
    assert_eq!(world.get(&key).await.expect("readable").1, b"content");
}

/// And where it cannot be asked what became of it, nobody is told that it failed for good.
#[tokio::test]
async fn a_complete_whose_fate_is_unknown_is_asked_again() {
    for guard in [WriteGuard::None, WriteGuard::Absent] {
        let world = World::new().await;
        let key = world.key("k");
        let id = world.begin(&key, None).await;
        let part = world.part(&key, &id, 1, b"content").await.expect("stored").etag;
        world.upstream.lose_answer_of("complete_multipart");
        assert!(world.complete_if(&key, &id, &[(1, part)], guard.clone()).await.is_err());
        world.upstream.lose_answer_of("get_object");
        let unknown = world.complete_if(&key, &id, &[(1, part)], guard.clone()).await;
        assert!(matches!(unknown, Err(ObjectError::Upstream(UpstreamError::Unavailable(_)))), "{:?}", unknown.err());
        world.complete_if(&key, &id, &[(1, part)], guard).await.expect("it had been done");
    }
}

/// The same for a part that was sent twice, where the upstream would have to say which attempt is the part.
#[tokio::test]
async fn a_complete_of_a_part_sent_again_that_was_cut_off_after_its_success() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB);
    world.part(&key, &id, 1, &plain).await.expect("stored");
    let part = world.part(&key, &id, 1, &plain).await.expect("stored").etag;
    world.upstream.lose_answer_of("complete_multipart");
    assert!(world.complete(&key, &id, &[(1, part)]).await.is_err());
    world.complete(&key, &id, &[(1, part)]).await.expect("it had been done");
    assert!(world.get(&key).await.expect("readable").1 == plain);
}

/// A client that lost patience asks again while the first Complete still runs: neither spoils the other.
#[tokio::test]
async fn two_completes_at_once_both_succeed() {
    let world = Arc::new(World::new().await);
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let part = world.part(&key, &id, 1, b"content").await.expect("stored").etag;
    let complete = || {
        let (world, key, id) = (Arc::clone(&world), key.clone(), id.clone());
        tokio::spawn(async move { world.complete(&key, &id, &[(1, part)]).await })
    };
    // Each has written its footer before either goes on.
    let first_pause = world.upstream.pause_after("upload_part");
    let first = complete();
    first_pause.reached.notified().await;
    let second_pause = world.upstream.pause_after("upload_part");
    let second = complete();
    second_pause.reached.notified().await;
    first_pause.go_on.notify_one();
    let first = first.await.expect("runs").expect("the first completes");
    second_pause.go_on.notify_one();
    let second = second.await.expect("runs").expect("the second completes");
    assert_eq!(first.etag, second.etag);
    assert_eq!(world.get(&key).await.expect("readable").1, b"content");
}

#[tokio::test]
async fn an_abort_that_broke_off_goes_on_when_asked_again() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    world.part(&key, &id, 1, b"small").await.expect("stored");
    world.upstream.lose_answer_of("abort_multipart");
    assert!(world.objects.abort_upload(&world.bucket, &key, &id).await.is_err());
    world.objects.abort_upload(&world.bucket, &key, &id).await.expect("goes on");
    assert_eq!(world.held().await, 0);
    let again = world.objects.abort_upload(&world.bucket, &key, &id).await;
    assert!(matches!(again, Err(ObjectError::NoSuchUpload)));
}

/// Our clock jumps two days ahead, or the upstream's is that late: nothing of an upload in flight is swept.
#[tokio::test]
async fn a_sweep_spares_uploads_in_flight() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let part = world.part(&key, &id, 1, b"content").await.expect("stored").etag;
    let internal = internal_bucket();
    // A part that was held back just now, and whose row is about to be written.
    world.write_raw(&internal, &world.key(&format!("tmp/{id}/00002-00")), b"x").await;
    // One of an upload that nobody knows.
    let gone = "0".repeat(id.len());
    world.write_raw(&internal, &world.key(&format!("tmp/{gone}/00001-00")), b"x").await;
    let unknown = world.upstream.create_multipart(&world.bucket.name, &key, &Tags::new()).await.expect("begun");
    world.clock.set(world.clock.now().plus(Duration::from_secs(2 * 24 * 60 * 60)));
    let swept = world.objects.sweep().await.expect("sweeps");
    assert_eq!((swept.uploads, swept.held_parts, swept.upstream_uploads), (0, 1, 1));
    assert_eq!(world.held().await, 2);
    assert!(world.upstream.list_parts(&unknown, 0, 1).await.is_err());
    world.complete(&key, &id, &[(1, part)]).await.expect("completes");
    assert_eq!(world.get(&key).await.expect("readable").1, b"content");
    assert_eq!(world.objects.sweep().await.expect("sweeps").held_parts, 1, "what no row names, now that it is over");
}

/// Part number 10,000 leaves no number for the footer, so it is held back whatever its size.
#[tokio::test]
async fn part_ten_thousand() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB + 1);
    let first = world.part(&key, &id, 9_999, &plain).await.expect("stored").etag;
    let last = world.part(&key, &id, 10_000, &plain).await.expect("stored").etag;
    world.complete(&key, &id, &[(9_999, first), (10_000, last)]).await.expect("completes");
    assert!(world.get(&key).await.expect("readable").1 == [plain.clone(), plain].concat());
}

#[tokio::test]
async fn checksums_of_parts_and_object() {
    let world = World::new().await;
    let key = world.key("k");
    let composite = Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite));
    let id = world.begin(&key, composite).await;
    let lacking = world.part(&key, &id, 1, b"x").await;
    assert!(matches!(lacking, Err(ObjectError::Checksum(ChecksumConflict::PartLacksChecksum))));
    let full = Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject));
    let id = world.begin(&key, full).await;
    let part = world.part(&key, &id, 1, b"123456789").await.expect("stored");
    assert_eq!(part.digest.expect("the upload's algorithm").bytes(), [0xcb, 0xf4, 0x39, 0x26]);
    let written = world.complete(&key, &id, &[(1, part.etag)]).await.expect("completes");
    assert_eq!(written.checksum.expect("kept").digest.bytes(), [0xcb, 0xf4, 0x39, 0x26]);
    let id = world.begin(&key, full).await;
    let part = world.part(&key, &id, 2, b"123456789").await.expect("stored");
    let gap = world.complete(&key, &id, &[(2, part.etag)]).await;
    assert!(matches!(gap, Err(ObjectError::Checksum(ChecksumConflict::NotConsecutive))));
}

#[tokio::test]
async fn aborted_uploads_leave_nothing() {
    let world = World::new().await;
    let key = world.key("a/k");
    let id = world.begin(&key, None).await;
    world.part(&key, &id, 1, b"small").await.expect("stored");
    let all = UploadListRequest { max_entries: 10, ..UploadListRequest::default() };
    let listed = world.objects.list_uploads(&world.bucket, &all).await.expect("lists");
    assert_eq!(listed.uploads.len(), 1);
    let rolled = UploadListRequest { delimiter: Some("/".into()), ..all.clone() };
    let rolled = world.objects.list_uploads(&world.bucket, &rolled).await.expect("lists");
    assert_eq!((rolled.uploads.len(), rolled.common_prefixes), (0, vec!["a/".to_owned()]));
    world.objects.abort_upload(&world.bucket, &key, &id).await.expect("aborts");
    assert_eq!(world.held().await, 0);
    assert!(matches!(world.part(&key, &id, 1, b"late").await, Err(ObjectError::NoSuchUpload)));
    assert!(world.objects.list_uploads(&world.bucket, &all).await.expect("lists").uploads.is_empty());
    assert!(world.objects.abort_upload(&world.bucket, &key, &id).await.is_err());
}

/// A last part may be empty, and is read like the others.
#[tokio::test]
async fn an_empty_last_part_is_read() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let plain = pattern(5 * MIB);
    let one = world.part(&key, &id, 1, &plain).await.expect("stored").etag;
    let two = world.part(&key, &id, 2, b"").await.expect("stored").etag;
    world.complete(&key, &id, &[(1, one), (2, two)]).await.expect("completes");
    for warm in [true, false] {
        if !warm {
            world.lose_index().await;
        }
        let end = plain.len() as u64;
        let opened = world.objects.get(&world.bucket, &key, None, |_| ((), Some(end..end))).await.expect("opens");
        let mut body = opened.body.expect("a body, of nothing");
        assert!(body.next().await.expect("reads").is_none());
    }
}

/// Killed between the upstream's last step and our note of it, and never asked again: the sweep notes it down. An upload
/// that only takes long goes on.
#[tokio::test]
async fn uploads_that_are_over_do_not_stay_in_flight() {
    let world = World::new().await;
    let (done, gone, long) = (world.key("done"), world.key("gone"), world.key("long"));
    let mut begun = Vec::new();
    for key in [&done, &gone, &long] {
        let id = world.begin(key, None).await;
        let part = world.part(key, &id, 1, b"content").await.expect("stored").etag;
        begun.push((key, id, [(1, part)]));
    }
    world.upstream.lose_answer_of("complete_multipart");
    assert!(world.complete(begun[0].0, &begun[0].1, &begun[0].2).await.is_err());
    let at_upstream = world.upstream.list_uploads(&world.bucket.name, None, 10).await.expect("lists");
    let lost = at_upstream.iter().find(|listed| listed.upload.key == gone).expect("in flight");
    world.upstream.abort_multipart(&lost.upload).await.expect("aborted");
    assert_eq!(world.objects.sweep().await.expect("sweeps").vanished, 0, "too young to say");
    world.clock.set(world.clock.now().plus(Duration::from_secs(2 * 24 * 60 * 60)));
    assert_eq!(world.objects.sweep().await.expect("sweeps").vanished, 2);
    assert_eq!(world.objects.sweep().await.expect("sweeps").vanished, 0);
    let complete = async |at: usize| world.complete(begun[at].0, &begun[at].1, &begun[at].2).await;
    assert!(matches!(complete(0).await.expect("it had been done").etag, ETag::Multipart(_, 1)));
    assert!(matches!(complete(1).await, Err(ObjectError::NoSuchUpload)));
    complete(2).await.expect("it had only taken long");
}
