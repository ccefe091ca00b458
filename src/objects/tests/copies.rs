//! Copies: what stays at the upstream, and what comes through here.

use std::sync::Arc;

use super::{World, new_object, owner, pattern};
use crate::base::{BucketId, BucketName, ChecksumAlgorithm, DomainId, ObjectKey};
use crate::envelope::{TRAILER_BYTES, Trailer, layout};
use crate::objects::{CopyFacts, CopyFrom, CopyTo, NewObject, ObjectError, ObjectFacts, Objects, WriteGuard, Written};
use crate::store::BucketRow;
use crate::upstream::watched::Pause;
use crate::upstream::{Capabilities, ConditionalWrites, Tags, Upstream};

mod uploads;

const MIB: usize = 1 << 20;
const SERVER_SIDE: [&str; 6] =
    ["head_object", "create_multipart", "upload_part_copy", "upload_part", "list_parts", "complete_multipart"];

fn from(bucket: &BucketRow, key: &ObjectKey) -> CopyFrom {
    CopyFrom { bucket: bucket.clone(), key: key.clone(), version: None }
}

fn to(bucket: &BucketRow, key: &ObjectKey) -> CopyTo {
    CopyTo { bucket: bucket.clone(), key: key.clone(), checksum: None, guard: WriteGuard::None }
}

fn kept() -> CopyFacts {
    CopyFacts { replace: None, owner: owner(), tags: Tags::new() }
}

fn replaced(note: &[u8]) -> CopyFacts {
    let replace = NewObject { user_metadata: vec![(b"note".to_vec(), note.to_vec())], ..new_object() };
    CopyFacts { replace: Some(replace), ..kept() }
}

async fn copy(objects: &Objects, from: CopyFrom, to: CopyTo, new: CopyFacts) -> Result<Written, ObjectError> {
    let open = objects.open_copy(from, to, |_| Ok::<(), ()>(())).await?;
    objects.copy(open, new).await
}

/// A plain copy, for tests of something else.
pub(super) async fn copy_between(
    objects: &Objects,
    source: (&BucketRow, &ObjectKey),
    target: (&BucketRow, &ObjectKey),
) -> Result<Written, ObjectError> {
    copy(objects, from(source.0, source.1), to(target.0, target.1), kept()).await
}

impl World {
    async fn copy(&self, source: &ObjectKey, target: &ObjectKey, new: CopyFacts) -> Result<Written, ObjectError> {
        copy(&self.objects, from(&self.bucket, source), to(&self.bucket, target), new).await
    }

    /// Another bucket of a domain, at the same upstream.
    async fn bucket_of(&self, name: &str, domain_id: DomainId) -> BucketRow {
        let name = BucketName::parse(name).expect("a name");
        self.upstream.create_bucket(&name).await.expect("made");
        let row = BucketRow { name, bucket_id: BucketId::generate(), domain_id, ..self.bucket.clone() };
        self.objects.inner.store.insert_bucket(row.clone()).await.expect("inserted");
        row
    }

    async fn uploads_at_upstream(&self) -> usize {
        self.upstream.list_uploads(&self.bucket.name, None, 100).await.expect("lists").len()
    }

    async fn trailer(&self, key: &ObjectKey) -> Trailer {
        let stored = self.stored(key).await;
        Trailer::parse(&stored[stored.len() - TRAILER_BYTES..], stored.len() as u64).expect("a trailer")
    }

    fn now_seen(&self) -> Vec<&'static str> {
        self.upstream.take_seen()
    }
}

/// A copy that runs while the test goes on.
fn running(
    world: &Arc<World>,
    to: CopyTo,
    source: &ObjectKey,
    new: CopyFacts,
) -> tokio::task::JoinHandle<Result<Written, ObjectError>> {
    let (world, source) = (Arc::clone(world), source.clone());
    tokio::spawn(async move { copy(&world.objects, from(&world.bucket, &source), to, new).await })
}

async fn release(pause: &Pause) {
    pause.go_on.notify_one();
}

/// The copy of a large object costs the proxy its footer, whatever the object's size.
#[tokio::test]
async fn a_large_copy_moves_no_body_bytes() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    let plain = pattern(100 * MIB);
    let written = world.put(&key, &plain).await.expect("stored");
    world.upstream.take_bytes();
    world.now_seen();
    let copied = world.copy(&key, &target, kept()).await.expect("copies");
    assert_eq!(world.now_seen(), SERVER_SIDE);
    let (up, down) = world.upstream.take_bytes();
    assert!(up < 1024, "{up} bytes went up");
    assert_eq!(down, 0, "and nothing came down");
    assert_eq!((copied.etag, copied.checksum), (written.etag, written.checksum));
    assert_eq!(copied.plaintext_bytes, plain.len() as u64);

    // Known as after a PUT: a warm GET is one request.
    let (facts, read) = world.get(&target).await.expect("readable");
    assert!(read == plain);
    assert_eq!(world.now_seen(), ["get_object"]);
    assert_eq!(facts.manifest.user_metadata, new_object().user_metadata);
    world.lose_index().await;
    assert!(world.get(&target).await.expect("readable cold").1 == plain);

    // One body, two names: neither stands for the other.
    let (here, there) = (world.trailer(&key).await, world.trailer(&target).await);
    assert_eq!(here.body_id(), there.body_id());
    assert_ne!(here.footer_id(), there.footer_id());
    world.overwrite(&target, &world.stored(&key).await).await;
    assert!(world.get(&target).await.is_err(), "bound to another name");
}

/// Without the index the source's footer is read, and no more.
#[tokio::test]
async fn a_cold_copy_reads_the_end_of_its_source() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    world.lose_index().await;
    world.upstream.take_bytes();
    world.copy(&key, &world.key("copy"), kept()).await.expect("copies");
    assert_eq!(world.upstream.take_bytes().1, 64 << 10);
}

#[tokio::test]
async fn a_body_is_copied_in_ranges_where_one_part_does_not_take_it() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    let plain = pattern(31 * MIB + 5);
    world.put(&key, &plain).await.expect("stored");
    world.upstream.limit_to(Capabilities { max_put_bytes: 10 << 20, ..Capabilities::ALL });
    world.now_seen();
    world.copy(&key, &target, kept()).await.expect("copies");
    let copies = world.now_seen().into_iter().filter(|seen| *seen == "upload_part_copy").count();
    assert_eq!(copies, 4);
    assert!(world.get(&target).await.expect("readable").1 == plain);
}

/// A data-free copy carries the DEK wrapped by the key that its destination uses now.
#[tokio::test]
async fn within_a_domain_the_dek_is_wrapped_anew() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    let plain = pattern(6 * MIB);
    world.put(&key, &plain).await.expect("stored");
    let sibling = world.bucket_of("sibling", world.bucket.domain_id).await;
    let current = world.objects.inner.keys.new_epoch(world.bucket.domain_id).await.expect("made");
    world.now_seen();
    copy_between(&world.objects, (&world.bucket, &key), (&sibling, &target)).await.expect("copies");
    assert_eq!(world.now_seen(), SERVER_SIDE);
    let world = World { bucket: sibling, ..world };
    let trailer = world.trailer(&target).await;
    assert_eq!(trailer.key_id(), current.id());
    assert!(world.get(&target).await.expect("readable").1 == plain);
}

/// Else shredding one domain would leave its bodies readable by another one's keys.
#[tokio::test]
async fn another_domain_never_shares_a_dek() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    let plain = pattern(6 * MIB);
    world.put(&key, &plain).await.expect("stored");
    let stranger = world.bucket_of("stranger", DomainId::generate()).await;
    let original = world.trailer(&key).await;
    world.now_seen();
    let copied = copy_between(&world.objects, (&world.bucket, &key), (&stranger, &target)).await.expect("copies");
    assert_eq!(world.now_seen(), ["get_object", "put_object"]);
    assert_eq!(copied.etag, world.head(&key).await.expect("there").etag());
    let world = World { bucket: stranger, ..world };
    assert_ne!(world.trailer(&target).await.body_id(), original.body_id());
    assert!(world.get(&target).await.expect("readable").1 == plain);
}

/// The same domain is not enough: the upstream must hold both ends.
#[tokio::test]
async fn another_upstream_is_never_asked_for_the_source() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let sibling = world.bucket_of("sibling", world.bucket.domain_id).await;
    let elsewhere = BucketRow { upstream: "another".into(), ..sibling };
    world.now_seen();
    let copied = copy_between(&world.objects, (&world.bucket, &key), (&elsewhere, &key)).await;
    assert!(matches!(copied, Err(ObjectError::NoSuchUpstream { .. })));
    assert!(!world.now_seen().contains(&"upload_part_copy"));
}

#[tokio::test]
async fn an_upstream_without_part_copy_gets_the_bytes() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    let plain = pattern(6 * MIB);
    world.put(&key, &plain).await.expect("stored");
    world.upstream.limit_to(Capabilities { part_copy: false, ..Capabilities::ALL });
    world.now_seen();
    world.copy(&key, &target, kept()).await.expect("copies");
    assert_eq!(world.now_seen(), ["get_object", "put_object"]);
    assert!(world.get(&target).await.expect("readable").1 == plain);
}

/// An upstream that publishes uploads unconditionally gets the bytes where the client makes a condition.
#[tokio::test]
async fn a_condition_that_complete_cannot_have_is_made_on_a_put() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let conditional_writes = ConditionalWrites { put: true, complete: false, delete: true };
    world.upstream.limit_to(Capabilities { conditional_writes, ..Capabilities::ALL });
    world.now_seen();
    let guarded = CopyTo { guard: WriteGuard::Absent, ..to(&world.bucket, &target) };
    copy(&world.objects, from(&world.bucket, &key), guarded, kept()).await.expect("copies");
    assert_eq!(world.now_seen(), ["get_object", "head_object", "put_object"]);
    world.copy(&key, &target, kept()).await.expect("copies");
    assert_eq!(world.now_seen(), SERVER_SIDE, "without one it need not");
}

/// S3's minimum for parts binds the stored body, to the byte.
#[tokio::test]
async fn bodies_below_a_part_come_through_here() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    let fits = |plain: &usize| layout::stored_part_bytes(*plain as u64).expect("a length") >= 5 << 20;
    let first = (5 * MIB - 6000..5 * MIB).find(fits).expect("one");
    for (length, way) in [(first - 1, &["get_object", "put_object"][..]), (first, &SERVER_SIDE[..])] {
        let plain = pattern(length);
        world.put(&key, &plain).await.expect("stored");
        world.now_seen();
        world.copy(&key, &target, kept()).await.expect("copies");
        assert_eq!(world.now_seen(), way, "{length}");
        assert!(world.get(&target).await.expect("readable").1 == plain);
    }
    for plain in [&b""[..], b"small"] {
        world.put(&key, plain).await.expect("stored");
        world.copy(&key, &target, kept()).await.expect("copies");
        assert_eq!(world.get(&target).await.expect("readable").1, plain);
    }
}

/// Either way a copy keeps ETag, checksums and part table.
#[tokio::test]
async fn a_copy_keeps_the_part_table() {
    let world = World::new().await;
    let key = world.key("k");
    let id = world.begin(&key, None).await;
    let one = world.part(&key, &id, 3, &pattern(5 * MIB)).await.expect("stored").etag;
    let two = world.part(&key, &id, 7, &pattern(1000)).await.expect("stored").etag;
    let written = world.complete(&key, &id, &[(3, one), (7, two)]).await.expect("completes");
    let stranger = world.bucket_of("stranger", DomainId::generate()).await;
    for bucket in [world.bucket.clone(), stranger] {
        let target = world.key("copy");
        let copied = copy_between(&world.objects, (&world.bucket, &key), (&bucket, &target)).await.expect("copies");
        assert_eq!((copied.etag, copied.checksum), (written.etag, written.checksum));
        let whole = |facts: &ObjectFacts| ((), Some(0..facts.plaintext_bytes()));
        let mut opened = world.objects.get(&bucket, &target, None, whole).await.expect("readable");
        let mut reader = opened.body.take().expect("a body");
        let mut read = Vec::new();
        while let Some(frame) = reader.next().await.expect("verified") {
            read.extend_from_slice(&frame);
        }
        assert!(read == [pattern(5 * MIB), pattern(1000)].concat());
        let numbers: Vec<u16> = opened.facts.manifest.parts.iter().map(|part| part.number).collect();
        assert_eq!(numbers, [3, 7]);
    }
}

#[tokio::test]
async fn a_checksum_that_the_source_lacks_is_computed() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    world.now_seen();
    let asked = |algorithm| CopyTo { checksum: Some(algorithm), ..to(&world.bucket, &target) };
    let other = asked(ChecksumAlgorithm::Crc32);
    let copied = copy(&world.objects, from(&world.bucket, &key), other, kept()).await.expect("copies");
    assert_eq!(copied.checksum.expect("made").digest.algorithm(), ChecksumAlgorithm::Crc32);
    assert_eq!(world.now_seen(), ["get_object", "put_object"]);
    let same = asked(ChecksumAlgorithm::Crc64Nvme);
    copy(&world.objects, from(&world.bucket, &key), same, kept()).await.expect("copies");
    assert_eq!(world.now_seen(), SERVER_SIDE);
}

#[tokio::test]
async fn a_copy_onto_itself_changes_what_is_said_of_it() {
    let world = World::new().await;
    let key = world.key("k");
    for length in [1000, 6 * MIB] {
        let plain = pattern(length);
        let written = world.put(&key, &plain).await.expect("stored");
        let copied = world.copy(&key, &key, replaced(b"other")).await.expect("copies");
        assert_eq!(copied.etag, written.etag);
        let (facts, read) = world.get(&key).await.expect("readable");
        assert!(read == plain);
        assert_eq!(facts.manifest.user_metadata, [(b"note".to_vec(), b"other".to_vec())]);
        world.lose_index().await;
        assert!(world.get(&key).await.expect("readable cold").1 == plain);
    }
}

/// A change of metadata must not bring back the bytes that somebody has overwritten meanwhile.
#[tokio::test]
async fn a_copy_onto_itself_never_undoes_a_write() {
    let newer = b"newer";
    for (length, operation) in [(6 * MIB, "create_multipart"), (6 * MIB, "upload_part"), (1000, "get_object")] {
        let world = Arc::new(World::new().await);
        let key = world.key("k");
        world.put(&key, &pattern(length)).await.expect("stored");
        let pause = world.upstream.pause_after(operation);
        let copying = running(&world, to(&world.bucket, &key), &key, replaced(b"other"));
        pause.reached.notified().await;
        world.put(&key, newer).await.expect("stored");
        release(&pause).await;
        let outcome = copying.await.expect("runs");
        assert!(matches!(outcome, Err(ObjectError::SourceChanged)), "{operation}");
        let (facts, read) = world.get(&key).await.expect("readable");
        assert_eq!(read, newer, "{operation}");
        assert_eq!(facts.manifest.user_metadata, new_object().user_metadata);
        assert_eq!(world.uploads_at_upstream().await, 0);
    }
}

/// Replaced or deleted between its opening and the copy: said so, for the caller to look at what is there now.
#[tokio::test]
async fn a_source_that_changes_is_not_copied() {
    for replaced in [true, false] {
        let world = Arc::new(World::new().await);
        let (key, target) = (world.key("k"), world.key("copy"));
        world.put(&key, &pattern(6 * MIB)).await.expect("stored");
        let pause = world.upstream.pause_after("create_multipart");
        let copying = running(&world, to(&world.bucket, &target), &key, kept());
        pause.reached.notified().await;
        match replaced {
            true => drop(world.put(&key, &pattern(7 * MIB)).await.expect("stored")),
            false => drop(world.objects.delete(&world.bucket, &key, None, WriteGuard::None).await.expect("deleted")),
        }
        release(&pause).await;
        assert!(matches!(copying.await.expect("runs"), Err(ObjectError::SourceChanged)));
        assert!(matches!(world.get(&target).await, Err(ObjectError::NoSuchKey)));
        assert_eq!(world.uploads_at_upstream().await, 0);
    }
}

/// Half of the old body and half of the new one would be an object that nobody can read.
#[tokio::test]
async fn a_source_that_changes_between_two_pieces() {
    let world = Arc::new(World::new().await);
    let (key, target) = (world.key("k"), world.key("copy"));
    let earlier = world.put(&target, b"earlier").await.expect("stored").etag;
    world.put(&key, &pattern(33 * MIB)).await.expect("stored");
    // Seven pieces, four at a time: the last ones begin when the first ones are answered.
    world.upstream.limit_to(Capabilities { max_put_bytes: 5 << 20, ..Capabilities::ALL });
    let gate = world.upstream.gate_after("upload_part_copy");
    let copying = running(&world, to(&world.bucket, &target), &key, kept());
    drop(gate.reached.acquire_many(4).await.expect("four pieces"));
    world.upstream.limit_to(Capabilities::ALL);
    world.put(&key, &vec![7; 33 * MIB]).await.expect("stored, as long as the first");
    gate.open.add_permits(7);
    assert!(matches!(copying.await.expect("runs"), Err(ObjectError::SourceChanged)));
    assert_eq!(world.head(&target).await.expect("there").etag(), earlier);
    assert_eq!(world.uploads_at_upstream().await, 0);
}

/// The body is there, and nothing that opens it.
#[tokio::test]
async fn a_footer_that_did_not_arrive_leaves_nothing() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    world.upstream.swallow_next_part();
    assert!(world.copy(&key, &target, kept()).await.is_err());
    assert!(matches!(world.get(&target).await, Err(ObjectError::NoSuchKey)));
    assert_eq!(world.uploads_at_upstream().await, 0);
}

#[tokio::test]
async fn a_stale_index_opens_what_is_there() {
    let world = World::new().await;
    let (key, other, target) = (world.key("k"), world.key("other"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let plain = pattern(7 * MIB);
    // Another proxy's write, which this index does not know.
    let (row, footer) = world.objects.inner.index.lookup_object(world.bucket.bucket_id, &key).await.expect("known");
    world.put(&key, &plain).await.expect("stored");
    world.objects.inner.index.record(row, footer);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let admit = |facts: &ObjectFacts| {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if facts.plaintext_bytes() == plain.len() as u64 { Ok(()) } else { Err("the old one") }
    };
    let open = world.objects.open_copy(from(&world.bucket, &key), to(&world.bucket, &target), admit).await;
    let open = open.expect("opens");
    assert_eq!(open.admitted, Ok(()), "decided on what is there now");
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2);
    world.objects.copy(open, kept()).await.expect("copies");
    assert!(world.get(&target).await.expect("readable").1 == plain);
    let refused = world.objects.open_copy(from(&world.bucket, &other), to(&world.bucket, &target), admit).await;
    assert!(matches!(refused, Err(ObjectError::NoSuchKey)));
}

#[tokio::test]
async fn what_was_not_admitted_is_not_copied() {
    let world = World::new().await;
    let key = world.key("k");
    for length in [10, 6 * MIB] {
        world.put(&key, &pattern(length)).await.expect("stored");
        let target = to(&world.bucket, &world.key("copy"));
        let open = world.objects.open_copy(from(&world.bucket, &key), target, |_| Err("no")).await.expect("opens");
        assert!(world.objects.copy(open, kept()).await.is_err());
        assert!(matches!(world.get(&world.key("copy")).await, Err(ObjectError::NoSuchKey)));
    }
}

/// A condition on the destination that ceases to hold while the copy runs.
#[tokio::test]
async fn a_guard_that_fails_leaves_nothing() {
    let world = Arc::new(World::new().await);
    let (key, target) = (world.key("k"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let guarded = || CopyTo { guard: WriteGuard::Absent, ..to(&world.bucket, &target) };
    let pause = world.upstream.pause_after("upload_part");
    let copying = running(&world, guarded(), &key, kept());
    pause.reached.notified().await;
    world.put(&target, b"first").await.expect("stored");
    release(&pause).await;
    assert!(matches!(copying.await.expect("runs"), Err(ObjectError::PreconditionFailed)));
    assert_eq!(world.get(&target).await.expect("readable").1, b"first");
    assert_eq!(world.uploads_at_upstream().await, 0);

    world.now_seen();
    let refused = copy(&world.objects, from(&world.bucket, &key), guarded(), kept()).await;
    assert!(matches!(refused, Err(ObjectError::PreconditionFailed)));
    assert!(!world.now_seen().contains(&"create_multipart"), "refused before anything is begun");
}

#[tokio::test]
async fn a_tampered_footer_is_not_copied() {
    let world = World::new().await;
    let key = world.key("k");
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let stored = world.stored(&key).await;
    for from_end in [1, 100, TRAILER_BYTES + 40] {
        let mut tampered = stored.clone();
        let at = tampered.len() - from_end;
        tampered[at] ^= 1;
        world.overwrite(&key, &tampered).await;
        world.now_seen();
        assert!(world.copy(&key, &world.key("copy"), kept()).await.is_err(), "{from_end}");
        assert!(!world.now_seen().contains(&"create_multipart"));
    }
    assert!(matches!(world.get(&world.key("copy")).await, Err(ObjectError::NoSuchKey)));
}

/// The body is not looked at: its copy is what its source is, and is refused as its source is.
#[tokio::test]
async fn a_tampered_body_is_refused_in_its_copy_too() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    world.put(&key, &pattern(6 * MIB)).await.expect("stored");
    let mut tampered = world.stored(&key).await;
    tampered[3 * MIB] ^= 1;
    world.overwrite(&key, &tampered).await;
    world.copy(&key, &target, kept()).await.expect("copies");
    assert!(matches!(world.get(&target).await, Err(ObjectError::Integrity(_))));
}

/// A store that copies something else than it was asked for: found out before it is published over anything.
#[tokio::test]
async fn parts_of_another_length_are_not_published() {
    let world = World::new().await;
    let key = world.key("k");
    let plain = pattern(6 * MIB);
    world.put(&key, &plain).await.expect("stored");
    world.upstream.copy_whole_objects();
    assert!(world.copy(&key, &key, replaced(b"other")).await.is_err());
    assert!(world.get(&key).await.expect("still there").1 == plain);
    assert_eq!(world.uploads_at_upstream().await, 0);
}

/// Tags of the copy, not of its source.
#[tokio::test]
async fn a_copy_has_the_tags_it_is_given() {
    let world = World::new().await;
    let (key, target) = (world.key("k"), world.key("copy"));
    for length in [10, 6 * MIB] {
        world.put(&key, &pattern(length)).await.expect("stored");
        let tags = vec![("a".to_owned(), "b".to_owned())];
        world.copy(&key, &target, CopyFacts { tags: tags.clone(), ..kept() }).await.expect("copies");
        assert_eq!(world.objects.tags(&world.bucket, &target).await.expect("tags"), tags);
        assert_eq!(world.head(&target).await.expect("there").tag_count, 1);
    }
}
