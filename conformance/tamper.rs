//! The store behind us lies: its files and rows are edited, cut, swapped, moved and replayed while the proxy serves
//! them. A GET may answer with an error, break off, or still know the truth; it never ends a wrong answer cleanly, and
//! whatever bytes it let out before it noticed are true ones.

mod store;

use crate::harness::{Reply, Request, Server, bytes};
use crate::multipart::{MIN_PART, Upload};
use store::Store;

/// Seven segments, the last of them short.
const BODY_BYTES: usize = 100_000;
/// A stored part: 56 bytes before the first segment; a stored segment: 16 KiB and its tag.
const PART_HEADER: usize = 56;
const STORED_SEGMENT: usize = 16_384 + 16;
const TRAILER: usize = 256;

/// Whether the proxy remembers the objects when it meets them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    Warm,
    /// The index was lost: every fact comes from the store.
    Cold,
}

/// What an answer is worth.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The truth, whole.
    Right,
    /// An error, or a body that breaks off after nothing but the truth.
    Refused,
}

/// Panics when the answer is wrong: whole but not the truth, or with a byte in it that is not.
#[track_caller]
fn judge(case: &str, reply: &Reply, truth: &[u8]) -> Verdict {
    if !matches!(reply.status, 200 | 206) {
        // 422: no object of ours at all, as something that was there before.
        assert!(
            reply.status >= 500 || reply.status == 422,
            "{case}: a damaged object is the store's fault, not the client's: {}",
            reply.status
        );
        return Verdict::Refused;
    }
    assert!(truth.starts_with(&reply.body), "{case}: {} bytes with false ones among them", reply.body.len());
    assert!(!reply.complete || reply.body.len() == truth.len(), "{case}: a clean end after {} bytes", reply.body.len());
    if reply.complete { Verdict::Right } else { Verdict::Refused }
}

/// Reads the object in every way there is: whole, in ranges from each end and the middle, and copied.
#[track_caller]
fn read_in_every_way(server: &Server, path: &str, truth: &[u8]) -> Verdict {
    let whole = judge(path, &server.send(&Request::get(path)), truth);
    for (first, last) in [(0, 9), (16_380, 16_400), (50_000, 70_000), (truth.len() - 5, truth.len() - 1)] {
        let range = Request::get(path).header("range", &format!("bytes={first}-{last}"));
        judge(&format!("{path} {first}-{last}"), &server.send(&range), &truth[first..=last]);
    }
    let copied = server.send(&Request::put("/tamper/copied", "").header("x-amz-copy-source", path));
    if copied.status == 200 && copied.xml("Code").is_none() {
        judge(&format!("copy of {path}"), &server.send(&Request::get("/tamper/copied")), truth);
    }
    let head = server.send(&Request::head(path));
    if head.status == 200 {
        assert_eq!(head.header("content-length"), Some(truth.len().to_string().as_str()), "{path}: a false length");
    }
    whole
}

/// Ends the proxy, and its memory where it shall have none. (A killed one may lose the index's last rows: it is written
/// behind.)
fn stop(server: &mut Server, index: Index) {
    assert!(server.terminate().success());
    if index == Index::Cold {
        Store::forget_index(server);
    }
}

/// One way to damage stored bytes.
struct Damage {
    name: &'static str,
    apply: fn(&mut Vec<u8>),
}

fn flip(data: &mut [u8], at: usize) {
    data[at] ^= 1;
}

/// Everything up to the end of the body; where this happens, even a proxy that knows the footer refuses.
const TO_THE_BODY: &[Damage] = &[
    Damage { name: "first_tag", apply: |d| flip(d, PART_HEADER + STORED_SEGMENT - 1) },
    Damage { name: "first_plain_byte", apply: |d| flip(d, PART_HEADER) },
    Damage { name: "middle", apply: |d| flip(d, 50_000) },
    Damage { name: "last_segment", apply: |d| flip(d, PART_HEADER + 6 * STORED_SEGMENT + 3) },
    Damage { name: "zeros", apply: |d| d[20_000..40_000].fill(0) },
    Damage {
        name: "segments_swapped",
        apply: |d| {
            let (a, b) = d[PART_HEADER..].split_at_mut(STORED_SEGMENT);
            a.swap_with_slice(&mut b[..STORED_SEGMENT]);
        },
    },
    Damage {
        name: "segment_repeated",
        apply: |d| d.copy_within(PART_HEADER..PART_HEADER + STORED_SEGMENT, PART_HEADER + STORED_SEGMENT),
    },
    Damage {
        name: "segment_dropped",
        apply: |d| {
            d.drain(PART_HEADER + STORED_SEGMENT..PART_HEADER + 2 * STORED_SEGMENT);
        },
    },
    Damage { name: "cut_to_a_segment", apply: |d| d.truncate(PART_HEADER + 2 * STORED_SEGMENT) },
    Damage { name: "cut_to_nothing", apply: Vec::clear },
];

/// Where a proxy that knows the footer may still tell the truth.
const TO_THE_FOOTER: &[Damage] = &[
    Damage { name: "salt", apply: |d| flip(d, 0) },
    Damage { name: "commitment", apply: |d| flip(d, 30) },
    Damage {
        name: "manifest",
        apply: |d| {
            let at = d.len() - TRAILER - 20;
            flip(d, at)
        },
    },
    Damage {
        name: "magic",
        apply: |d| {
            let at = d.len() - TRAILER;
            flip(d, at)
        },
    },
    Damage {
        name: "version",
        apply: |d| {
            let at = d.len() - TRAILER + 8;
            d[at] = 2
        },
    },
    Damage {
        name: "plaintext_length",
        apply: |d| {
            let at = d.len() - TRAILER + 31;
            flip(d, at)
        },
    },
    Damage {
        name: "key_id",
        apply: |d| {
            let at = d.len() - TRAILER + 64;
            flip(d, at)
        },
    },
    Damage {
        name: "wrap",
        apply: |d| {
            let at = d.len() - TRAILER + 100;
            flip(d, at)
        },
    },
    Damage {
        name: "padding",
        apply: |d| {
            let at = d.len() - 40;
            flip(d, at)
        },
    },
    Damage {
        name: "last_byte",
        apply: |d| {
            let at = d.len() - 1;
            flip(d, at)
        },
    },
    Damage {
        name: "cut_by_one",
        apply: |d| {
            d.pop();
        },
    },
    Damage { name: "cut_by_the_trailer", apply: |d| d.truncate(d.len() - TRAILER) },
    Damage { name: "one_byte_more", apply: |d| d.push(0) },
    Damage { name: "twice", apply: |d| d.extend_from_within(..) },
];

/// One object for each case, damaged while nobody looks, then read.
fn damaged_blobs(index: Index) {
    let mut server = Server::with_bucket("tamper");
    let truth = bytes(1, BODY_BYTES);
    let cases: Vec<&Damage> = TO_THE_BODY.iter().chain(TO_THE_FOOTER).collect();
    for case in &cases {
        server.put(&format!("/tamper/{}", case.name), &truth);
    }
    server.put("/tamper/untouched", &truth);
    stop(&mut server, index);
    let store = Store::of(&server);
    for case in &cases {
        store.edit(case.name, case.apply);
    }
    server.restart();
    for case in TO_THE_BODY {
        let verdict = read_in_every_way(&server, &format!("/tamper/{}", case.name), &truth);
        assert_eq!(verdict, Verdict::Refused, "{} with a {index:?} index", case.name);
    }
    for case in TO_THE_FOOTER {
        let verdict = read_in_every_way(&server, &format!("/tamper/{}", case.name), &truth);
        if index == Index::Cold {
            assert_eq!(verdict, Verdict::Refused, "{} with nothing else to know it from", case.name);
        }
    }
    assert_eq!(read_in_every_way(&server, "/tamper/untouched", &truth), Verdict::Right);
    // The rest of the bucket stays usable: a damaged object is listed, and can be deleted.
    let listed = server.send(&Request::get("/tamper").query("list-type", "2"));
    assert!(listed.assert_status(200).xml_all("Key").len() > cases.len());
    server.send(&Request::delete("/tamper/middle")).assert_status(204);
    server.assert_absent("/tamper/middle");
}

#[test]
fn damaged_blobs_with_a_warm_index() {
    damaged_blobs(Index::Warm);
}

#[test]
fn damaged_blobs_with_a_cold_index() {
    damaged_blobs(Index::Cold);
}

/// Under the running proxy's hands, as a malicious store would.
#[test]
fn damage_between_two_reads() {
    let server = Server::with_bucket("tamper");
    let truth = bytes(1, BODY_BYTES);
    let store = Store::of(&server);
    for case in TO_THE_BODY {
        server.put("/tamper/k", &truth);
        server.assert_holds("/tamper/k", &truth);
        store.edit("k", case.apply);
        assert_eq!(read_in_every_way(&server, "/tamper/k", &truth), Verdict::Refused, "{}", case.name);
    }
}

/// A body of whole segments ends with an empty one, which alone says that nothing is missing: it is verified before the last
/// plaintext goes out, because no client asks for more than was promised.
#[test]
fn damage_behind_the_last_plaintext() {
    let server = Server::with_bucket("tamper");
    let store = Store::of(&server);
    for segments in [16, 32, 48] {
        let truth = bytes(1, segments * 16_384);
        server.put("/tamper/k", &truth);
        server.assert_holds("/tamper/k", &truth);
        store.edit("k", |data| flip(data, PART_HEADER + segments * STORED_SEGMENT + 7));
        assert_eq!(read_in_every_way(&server, "/tamper/k", &truth), Verdict::Refused, "{segments}");
    }
}

/// Two objects of one size change places; one moves to another key, another bucket.
fn moved_objects(index: Index) {
    let mut server = Server::with_bucket("tamper");
    server.send(&Request::put("/other", "")).assert_status(200);
    let (one, two) = (bytes(1, BODY_BYTES), bytes(2, BODY_BYTES));
    for (key, body) in [("a", &one), ("b", &two), ("rows-a", &one), ("rows-b", &two), ("old", &one), ("away", &one)] {
        server.put(&format!("/tamper/{key}"), body);
    }
    stop(&mut server, index);
    let store = Store::of(&server);
    store.swap_blobs("a", "b");
    // The rows with all they say, ETags too: the names alone are exchanged.
    store.sql("UPDATE object SET key = x'00' WHERE key = CAST('rows-a' AS BLOB)");
    store.sql("UPDATE object SET key = CAST('rows-a' AS BLOB) WHERE key = CAST('rows-b' AS BLOB)");
    store.sql("UPDATE object SET key = CAST('rows-b' AS BLOB) WHERE key = x'00'");
    store.sql("UPDATE object SET key = CAST('new' AS BLOB) WHERE key = CAST('old' AS BLOB)");
    store.sql(
        "UPDATE object SET bucket = (SELECT id FROM bucket WHERE name = 'other') WHERE key = CAST('away' AS BLOB)",
    );
    server.restart();
    for (path, truth) in [("a", &one), ("b", &two), ("rows-a", &one), ("rows-b", &two)] {
        assert_eq!(read_in_every_way(&server, &format!("/tamper/{path}"), truth), Verdict::Refused, "{path}");
    }
    for path in ["/tamper/new", "/other/away"] {
        let reply = server.send(&Request::get(path));
        assert!(reply.status >= 500, "{path}: an object under another name answers {}", reply.status);
    }
    server.assert_absent("/tamper/old");
}

#[test]
fn moved_objects_with_a_warm_index() {
    moved_objects(Index::Warm);
}

#[test]
fn moved_objects_with_a_cold_index() {
    moved_objects(Index::Cold);
}

/// The bytes of an earlier PUT under the row of the later one. A proxy that remembers refuses; one that lost its index
/// may be shown an older whole object (the threat model says so), but never a mixture.
#[test]
fn older_bytes_in_place_of_newer_ones() {
    for index in [Index::Warm, Index::Cold] {
        let mut server = Server::with_bucket("tamper");
        let (old, new) = (bytes(1, BODY_BYTES), bytes(2, BODY_BYTES));
        let store = Store::of(&server);
        server.put("/tamper/k", &old);
        let old_blob = store.read("k");
        server.put("/tamper/k", &new);
        stop(&mut server, index);
        store.edit("k", |data| data.clone_from(&old_blob));
        server.restart();
        let reply = server.send(&Request::get("/tamper/k"));
        let is_whole_old = index == Index::Cold && reply.status == 200 && reply.complete && reply.body == old;
        if !is_whole_old {
            assert_eq!(judge("replayed", &reply, &new), Verdict::Refused, "{index:?}");
        }
    }
}

/// Parts: exchanged, left out, doubled, taken from an earlier attempt, taken from another upload.
#[test]
fn parts_that_are_not_the_accepted_ones() {
    for index in [Index::Warm, Index::Cold] {
        let mut server = Server::with_bucket("tamper");
        let store = Store::of(&server);
        let (one, two, three) = (bytes(1, MIN_PART), bytes(2, MIN_PART), bytes(3, MIN_PART));
        let whole = [one.as_slice(), &two].concat();
        let upload = |key: &str| {
            let upload = Upload::begin(&server, &format!("/tamper/{key}"));
            let earlier = upload.send_part(&server, 1, &three);
            let earlier_blob = store.read_blob(&store.part_blobs(key)[0]);
            assert!(!earlier.is_empty());
            let tags = [upload.send_part(&server, 1, &one), upload.send_part(&server, 2, &two)];
            server.send(&upload.complete(&[(1, &tags[0]), (2, &tags[1])])).assert_status(200);
            server.assert_holds(&format!("/tamper/{key}"), &whole);
            earlier_blob
        };
        let keys = ["swapped", "dropped", "doubled", "earlier-attempt", "other-upload", "whole"];
        let earlier: Vec<Vec<u8>> = keys.iter().map(|key| upload(key)).collect();
        stop(&mut server, index);
        let blobs = |key: &str| store.blobs(key);
        store.swap_files(&blobs("swapped")[0], &blobs("swapped")[1]);
        store.write_blob(&blobs("doubled")[1], &store.read_blob(&blobs("doubled")[0]));
        store.write_blob(&blobs("earlier-attempt")[0], &earlier[3]);
        store.write_blob(&blobs("other-upload")[0], &store.read_blob(&blobs("whole")[0]));
        store.sql(
            "DELETE FROM extent WHERE start_byte = 0 AND object = (SELECT id FROM object WHERE key = CAST('dropped' AS BLOB))",
        );
        server.restart();
        for key in &keys[..5] {
            assert_eq!(
                read_in_every_way(&server, &format!("/tamper/{key}"), &whole),
                Verdict::Refused,
                "{key} {index:?}"
            );
        }
        assert_eq!(read_in_every_way(&server, "/tamper/whole", &whole), Verdict::Right);
    }
}

/// While the upload is in flight the store exchanges what it holds; Complete may not notice, a reader must.
#[test]
fn parts_exchanged_before_complete() {
    let server = Server::with_bucket("tamper");
    let store = Store::of(&server);
    let (one, two) = (bytes(1, MIN_PART), bytes(2, MIN_PART));
    let upload = Upload::begin(&server, "/tamper/k");
    let tags = [upload.send_part(&server, 1, &one), upload.send_part(&server, 2, &two)];
    let blobs = store.part_blobs("k");
    store.swap_files(&blobs[0], &blobs[1]);
    let done = server.send(&upload.complete(&[(1, &tags[0]), (2, &tags[1])]));
    if done.status == 200 {
        assert_eq!(read_in_every_way(&server, "/tamper/k", &[one, two].concat()), Verdict::Refused);
    }
}

/// A small last part is held back as an object of its own; it is opened before it is joined.
#[test]
fn held_back_tail_that_was_edited() {
    let server = Server::with_bucket("tamper");
    let store = Store::of(&server);
    let (one, tail) = (bytes(1, MIN_PART), bytes(2, 50_000));
    let upload = Upload::begin(&server, "/tamper/k");
    let known = store.all_blobs();
    let first = upload.send_part(&server, 1, &one);
    let with_first = store.all_blobs();
    let last = upload.send_part(&server, 2, &tail);
    let added: Vec<_> = store.all_blobs().into_iter().filter(|blob| !with_first.contains(blob)).collect();
    assert!(known.len() < with_first.len() && added.len() == 1, "one file more for one part more");
    let mut data = store.read_blob(&added[0]);
    flip(&mut data, 20_000);
    store.write_blob(&added[0], &data);
    let done = server.send(&upload.complete(&[(1, &first), (2, &last)]));
    assert!(done.status >= 500 || done.xml("Code").is_some(), "{}", done.text());
    server.assert_absent("/tamper/k");
}

#[test]
fn lost_blob_and_false_lengths() {
    let mut server = Server::with_bucket("tamper");
    let truth = bytes(1, BODY_BYTES);
    for key in ["lost", "longer", "shorter", "etag"] {
        server.put(&format!("/tamper/{key}"), &truth);
    }
    server.kill();
    let store = Store::of(&server);
    std::fs::remove_file(&store.blobs("lost")[0]).expect("the blob is there");
    for (key, by) in [("longer", 16_400), ("shorter", -16_400)] {
        store.sql(&format!("UPDATE object SET stored_bytes = stored_bytes + {by} WHERE key = CAST('{key}' AS BLOB)"));
        store.sql(&format!(
            "UPDATE extent SET stored_bytes = stored_bytes + {by} \
             WHERE object = (SELECT id FROM object WHERE key = CAST('{key}' AS BLOB))"
        ));
    }
    store.sql("UPDATE object SET etag = randomblob(16) WHERE key = CAST('etag' AS BLOB)");
    server.restart();
    for key in ["lost", "longer", "shorter"] {
        assert_eq!(read_in_every_way(&server, &format!("/tamper/{key}"), &truth), Verdict::Refused, "{key}");
    }
    // The validator changed, so the index is asked in vain; the object itself still proves what it is.
    read_in_every_way(&server, "/tamper/etag", &truth);
}
