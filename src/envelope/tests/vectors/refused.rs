//! The generator of the vectors that must be refused: the store's edits of accepted objects. `forged` has those that someone
//! who holds the DEK has made wrongly.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::fixture::{Binding, HOME};
use super::accepted::{COPY, PARTS, asked};
use super::schema::{Accepted, Asked, Attempt, Piece, Refused};
use super::{decode, forged};

const SEGMENT: usize = 16_384;
const STORED_SEGMENT: usize = SEGMENT + 16;

/// The accepted objects by name.
pub(super) struct Sources<'a>(BTreeMap<&'a str, &'a Accepted>);

impl Sources<'_> {
    pub(super) fn bytes(&self, case: &str) -> Vec<u8> {
        decode(&self.0[case].stored)
    }

    pub(super) fn body(&self, case: &str) -> usize {
        self.0[case].body_bytes as usize
    }

    pub(super) fn end(&self, case: &str) -> usize {
        self.bytes(case).len()
    }
}

pub(super) fn all(accepted: &[Accepted]) -> Vec<Refused> {
    let from = Sources(accepted.iter().map(|vector| (vector.case.as_str(), vector)).collect());
    let mut all = truncations(&from);
    all.extend(rearranged_segments(&from));
    all.extend(rearranged_parts(&from));
    all.extend(other_names_and_keys(&from));
    all.extend(mixed_versions(&from));
    all.extend(edits(&from));
    all.extend(edited_trailer_fields(&from));
    all.extend(forged::all(&from));
    all
}

fn truncations(from: &Sources<'_>) -> Vec<Refused> {
    let (body, end) = (from.body("segments"), from.end("segments"));
    let whole = |range: Range<usize>| piece("segments", range);
    let cuts = [0, 1, 55, 56, 56 + STORED_SEGMENT, body - 1, body, end - 257, end - 256, end - 255, end - 1];
    let truncated = cuts.map(|cut| attempt(format!("cut to {cut} bytes"), vec![whole(0..cut)], "1 magic")).into();

    let gaps = [
        ("the last byte of the body is missing", body - 1..body),
        ("the last segment is missing", 56 + 3 * STORED_SEGMENT..body),
        ("the second segment is missing", 56 + STORED_SEGMENT..56 + 2 * STORED_SEGMENT),
        ("the first byte is missing", 0..1),
        ("the body is missing", 0..body),
        ("the first byte of the manifest is missing", body..body + 1),
        ("the last byte of the manifest is missing", end - 257..end - 256),
    ];
    let body_truncated =
        gaps.map(|(what, gap)| attempt(what, vec![whole(0..gap.start), whole(gap.end..end)], "3 stored size")).into();

    let mut served = Vec::new();
    for cut in [0, 1, 55, 56, 57, 56 + STORED_SEGMENT - 1, 56 + STORED_SEGMENT, 56 + 3 * STORED_SEGMENT, body - 1] {
        let verified = cut.saturating_sub(56) / STORED_SEGMENT * SEGMENT;
        let what = format!("the body is served up to byte {cut}");
        served.push(Attempt {
            served_body: Some(vec![whole(0..cut)]),
            ..attempt(what, vec![whole(0..end)], "body end").after(verified, "segments")
        });
    }
    let last = "segment";
    served.push(Attempt {
        served_body: Some(vec![piece(last, 0..from.body(last) - 16)]),
        ..attempt("the empty last segment is not served", vec![piece(last, 0..from.end(last))], "body end")
            .after(SEGMENT, last)
    });
    let too_long = Attempt {
        served_body: Some(vec![whole(0..body + 1)]),
        ..attempt("one byte too many", vec![whole(0..end)], "body end").after(50_000, "segments")
    };
    vec![
        case("truncated", "An object that was cut MUST be refused.", &HOME, truncated),
        case("body_truncated", "Lengths that do not add up to the stored size MUST be refused.", &HOME, body_truncated),
        case("body_served_short", "Bytes missing at the end are failures.", &HOME, served),
        case("body_served_long", "Bytes left over are failures.", &HOME, vec![too_long]),
    ]
}

fn rearranged_segments(from: &Sources<'_>) -> Vec<Refused> {
    let end = from.end("segments");
    let segment = |k: usize| piece("segments", 56 + k * STORED_SEGMENT..56 + (k + 1) * STORED_SEGMENT);
    let arranged = |order: [usize; 3]| {
        let mut pieces = vec![piece("segments", 0..56)];
        pieces.extend(order.map(segment));
        pieces.push(piece("segments", 56 + 3 * STORED_SEGMENT..end));
        pieces
    };
    let swap = |what: &str, order: [usize; 3], first: usize| {
        attempt(what, arranged(order), "body segment").after(first * SEGMENT, "segments")
    };
    let says = "A reader MUST NOT release a byte of a segment before its tag has been checked.";
    vec![
        case("segments_swapped", says, &HOME, vec![swap("0 and 1", [1, 0, 2], 0), swap("1 and 2", [0, 2, 1], 1)]),
        case("segments_reordered", says, &HOME, vec![swap("rotated", [1, 2, 0], 0), swap("back", [2, 0, 1], 0)]),
        case("segment_repeated", says, &HOME, vec![swap("0 again", [0, 0, 2], 1), swap("1 again", [0, 1, 1], 2)]),
    ]
}

/// Where each part of the multipart object is stored.
fn part_ranges() -> Vec<Range<usize>> {
    let mut start = 0;
    let stored = PARTS.map(|(_, length)| 56 + length + 16 * (length / SEGMENT + 1));
    stored
        .iter()
        .map(|length| {
            start += length;
            start - length..start
        })
        .collect()
}

fn rearranged_parts(from: &Sources<'_>) -> Vec<Refused> {
    let (parts, end) = (part_ranges(), from.end("multipart"));
    let part = |n: usize| piece("multipart", parts[n].clone());
    let footer = || piece("multipart", parts[3].end..end);
    let spare = |name: &str, range: Range<usize>| spare_piece("multipart", name, range);
    let whole = 0..parts[1].len();
    // A range inside the second segment of part 2: its header is never read.
    let inside = [16_385 + 16_384 + 10, 16_385 + 16_384 + 20];
    let replaced = |what: &str, middle: Vec<Piece>| {
        let stored: Vec<_> = [vec![part(0)], middle, vec![part(2), part(3), footer()]].concat();
        vec![
            attempt(format!("{what}: read whole"), stored.clone(), "body header").after(16_385, "multipart"),
            Attempt { range: Some(inside), ..attempt(format!("{what}: a range of it"), stored, "body segment") },
        ]
    };
    let says = "A reader MUST take every salt from M, never from the stored part.";
    let mut replayed = replaced("an earlier attempt", vec![spare("part_2_earlier_attempt", whole.clone())]);
    let mixed = [
        vec![part(0), piece("multipart", parts[1].start..parts[1].start + 56)],
        vec![spare("part_2_earlier_attempt", 56..whole.end), part(2), part(3), footer()],
    ]
    .concat();
    replayed.push(
        attempt("an earlier attempt behind the accepted header", mixed, "body segment").after(16_385, "multipart"),
    );
    let swapped = vec![
        attempt("2 and 3", vec![part(0), part(2), part(1), part(3), footer()], "body header")
            .after(16_385, "multipart"),
        Attempt {
            range: Some(inside),
            ..attempt("2 and 3, a range", vec![part(0), part(2), part(1), part(3), footer()], "body segment")
        },
        attempt("1 and 9", vec![part(3), part(1), part(2), part(0), footer()], "body header"),
    ];
    let dropped = vec![
        attempt("the first", vec![part(1), part(2), part(3), footer()], "3 stored size"),
        attempt("the second", vec![part(0), part(2), part(3), footer()], "3 stored size"),
        attempt("the last", vec![part(0), part(1), part(2), footer()], "3 stored size"),
        attempt(
            "one of two of the same length, the other twice",
            vec![part(0), part(1), part(1), part(3), footer()],
            "body header",
        )
        .after(16_385 + 20_000, "multipart"),
    ];
    vec![
        case("part_replayed", says, &HOME, replayed),
        case("parts_swapped", says, &HOME, swapped),
        case("part_dropped", "The stored lengths MUST add up to the stored size.", &HOME, dropped),
        case(
            "part_of_another_upload",
            "A part opens only under the keys of its own body.",
            &HOME,
            replaced("sealed for another body", vec![spare("part_2_of_another_upload", whole.clone())]),
        ),
        case(
            "part_of_another_number",
            "A part belongs to one number.",
            &HOME,
            replaced("same body and salt, sealed as part 4", vec![spare("part_2_sealed_as_part_4", whole)]),
        ),
    ]
}

fn other_names_and_keys(from: &Sources<'_>) -> Vec<Refused> {
    let whole = |source: &str| vec![piece(source, 0..from.end(source))];
    let refuse = |name: &str, says: &str, request: Asked, source: &str, step: &str| Refused {
        case: name.to_owned(),
        says: says.to_owned(),
        request,
        attempts: vec![attempt("the whole object", whole(source), step)],
    };
    let says = "An object MUST NOT open under another key or bucket.";
    let home = || asked(&HOME);
    let with_keys = |edit: fn(&mut Asked)| {
        let mut request = home();
        edit(&mut request);
        request
    };
    vec![
        refuse("other_key", says, asked(&Binding { key: b"base/y", ..HOME }), "one_byte", "5 wrap"),
        refuse("other_bucket", says, asked(&Binding { bucket_id: 0x31, ..HOME }), "one_byte", "5 wrap"),
        // The object lies at data + base/x; asked for is database + /x.
        refuse("other_bucket_same_path", says, asked(&COPY), "one_byte", "5 wrap"),
        refuse("copy_under_its_source_name", says, home(), "copied", "5 wrap"),
        refuse(
            "other_version",
            "Where an object version is expected, T's footer id is the expected one.",
            Asked { footer_id: Some("52".repeat(16)), ..home() },
            "one_byte",
            "9 version",
        ),
        refuse(
            "wrong_bucket_key",
            "A wrap MUST be refused for any other wrapping key.",
            with_keys(|request| request.domain_keys[0].bucket_key = "11".repeat(32)),
            "one_byte",
            "5 wrap",
        ),
        refuse(
            "foreign_key",
            "The key id belongs to the key domain of the requested bucket. Checked before unwrapping.",
            with_keys(|request| request.domain_keys[0].key_id = "21".repeat(16)),
            "one_byte",
            "4 key",
        ),
        refuse(
            "key_of_another_scheme",
            "The domain's scheme is T's. Checked before unwrapping.",
            with_keys(|request| request.domain_keys[0].scheme = 2),
            "one_byte",
            "4 key",
        ),
        refuse(
            "direct_wrap_that_vault_refuses",
            "A wrap MUST be refused for any other body, key id, name, scheme or wrapping key.",
            with_keys(|request| request.domain_keys[0].scheme = 2),
            "direct_wrap",
            "5 wrap",
        ),
    ]
}

fn mixed_versions(from: &Sources<'_>) -> Vec<Refused> {
    let (body, end) = (from.body("segments"), from.end("segments"));
    let old = |range: Range<usize>| piece("segments", range);
    let new = |range: Range<usize>| piece("next_version", range);
    let footer = vec![
        attempt("an old footer behind a new body", vec![new(0..body), old(body..end)], "body header"),
        Attempt {
            range: Some([20_000, 20_010]),
            ..attempt("the same, a range", vec![new(0..body), old(body..end)], "body segment")
        },
        attempt("a new footer behind an old body", vec![old(0..body), new(body..end)], "body header"),
        Attempt {
            served_body: Some(vec![new(0..body)]),
            ..attempt("the body is exchanged after the footer was read", vec![old(0..end)], "body header")
        },
    ];
    let manifest = vec![
        attempt("old M, new T", vec![new(0..body), old(body..end - 256), new(end - 256..end)], "6 hmac"),
        attempt("new M, old T", vec![old(0..body), new(body..end - 256), old(end - 256..end)], "6 hmac"),
    ];
    vec![
        case("old_footer_on_new_body", "A reader MUST take every salt from M.", &HOME, footer),
        case("manifest_of_another_version", "The HMAC matches over M as fetched.", &HOME, manifest),
    ]
}

fn edits(from: &Sources<'_>) -> Vec<Refused> {
    let whole = |source: &str| vec![piece(source, 0..from.end(source))];
    let flipped = |what: &str, source: &str, range: Range<usize>, step: &str| Attempt {
        flip_each_bit: Some([range.start, range.end]),
        ..attempt(what, whole(source), step)
    };
    let (body, end) = (from.body("one_byte"), from.end("one_byte"));
    let padded = vec![
        attempt("a byte in front", [vec![hex_piece(&[0])], whole("one_byte")].concat(), "3 stored size"),
        attempt("256 zeros behind", [whole("one_byte"), vec![hex_piece(&[0; 256])]].concat(), "1 magic"),
        attempt("the footer twice", [whole("one_byte"), vec![piece("one_byte", body..end)]].concat(), "3 stored size"),
    ];
    let foreign = vec![
        attempt("nothing", vec![], "1 magic"),
        attempt("a short text", vec![hex_piece(b"hello")], "1 magic"),
        attempt("300 zeros", vec![hex_piece(&[0; 300])], "1 magic"),
        attempt(
            "a plaintext that ends in a magic",
            vec![hex_piece(b"hello"), hex_piece(b"CRYPTKPR\x01\x01"), hex_piece(&[0; 246])],
            "2 fields",
        ),
    ];
    vec![
        case(
            "part_header_edited",
            "A stored part header that differs MUST be refused.",
            &HOME,
            vec![
                flipped("salt", "one_byte", 0..24, "body header"),
                flipped("commitment", "one_byte", 24..56, "body header"),
            ],
        ),
        case(
            "segment_edited",
            "A failed tag MUST break the connection off.",
            &HOME,
            vec![
                flipped("ciphertext and tag", "one_byte", 56..73, "body segment"),
                flipped("the tag of the empty segment", "empty", 56..72, "body segment"),
                flipped(
                    "the tag of an empty last segment",
                    "segment",
                    56 + STORED_SEGMENT..72 + STORED_SEGMENT,
                    "body segment",
                )
                .after(SEGMENT, "segment"),
            ],
        ),
        case(
            "manifest_edited",
            "The HMAC matches over M as fetched.",
            &HOME,
            vec![flipped("M", "one_byte", body..end - 256, "6 hmac")],
        ),
        case("padded", "The lengths MUST add up to the stored size.", &HOME, padded),
        case(
            "foreign_object",
            "Without the magic it is a foreign object, and the magic proves nothing.",
            &HOME,
            foreign,
        ),
    ]
}

/// Every bit of every field of T.
fn edited_trailer_fields(from: &Sources<'_>) -> Vec<Refused> {
    let end = from.end("one_byte");
    let t = end - 256;
    [
        ("magic", 0..8, "1 magic"),
        ("version", 8..9, "2 fields"),
        ("scheme", 9..10, "2 fields"),
        ("zero_2", 10..12, "2 fields"),
        ("manifest_length", 12..16, "2 fields or 3 stored size"),
        ("parts_length", 16..24, "3 stored size"),
        ("plaintext_length", 24..32, "6 hmac"),
        ("body_id", 32..48, "5 wrap"),
        ("footer_id", 48..64, "6 hmac"),
        ("key_id", 64..80, "4 key"),
        ("key_version", 80..84, "2 fields"),
        ("wrap_length", 84..86, "2 fields"),
        ("wrap", 86..190, "5 wrap"),
        ("wrap_padding", 190..206, "2 fields"),
        ("zero_18", 206..224, "2 fields"),
        ("hmac", 224..256, "6 hmac"),
    ]
    .into_iter()
    .map(|(field, at, step)| {
        let edited = Attempt {
            flip_each_bit: Some([t + at.start, t + at.end]),
            ..attempt(format!("{field} of T"), vec![piece("one_byte", 0..end)], step)
        };
        case(&format!("trailer_edited_{field}"), "An edited trailer MUST be refused.", &HOME, vec![edited])
    })
    .collect()
}

pub(super) fn case(case: &str, says: &str, at: &Binding, attempts: Vec<Attempt>) -> Refused {
    Refused { case: case.to_owned(), says: says.to_owned(), request: asked(at), attempts }
}

pub(super) fn attempt(what: impl Into<String>, stored: Vec<Piece>, refused_at: &str) -> Attempt {
    Attempt {
        what: what.into(),
        stored,
        flip_each_bit: None,
        served_body: None,
        range: None,
        refused_at: refused_at.to_owned(),
        verified_bytes: 0,
        verified_of: String::new(),
    }
}

impl Attempt {
    fn after(self, verified: usize, of: &str) -> Self {
        let verified_of = if verified == 0 { String::new() } else { of.to_owned() };
        Self { verified_bytes: verified as u64, verified_of, ..self }
    }
}

pub(super) fn piece(of: &str, range: Range<usize>) -> Piece {
    Piece::Of { of: of.to_owned(), spare: None, range: [range.start, range.end] }
}

fn spare_piece(of: &str, spare: &str, range: Range<usize>) -> Piece {
    Piece::Of { of: of.to_owned(), spare: Some(spare.to_owned()), range: [range.start, range.end] }
}

pub(super) fn hex_piece(bytes: &[u8]) -> Piece {
    Piece::Hex { hex: hex::encode(bytes) }
}
