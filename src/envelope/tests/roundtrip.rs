//! Whatever is sealed opens: lengths around every boundary, ranges, part splits, fragmentations.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::fixture::{HOME, drain, manifest, open_footer, pattern, read, salt, seal_object, seal_part, seal_put};
use crate::envelope::layout::{footer_bytes, stored_object_bytes, stored_part_bytes};
use crate::envelope::part::MIN_SEAL_BUFFER_BYTES;
use crate::envelope::{
    FormatError, Manifest, ManifestPart, ManifestShape, PartSealer, RangeOpener, SealError, Trailer,
};

const BOUNDARIES: [usize; 12] =
    [0, 1, 15, 16, 16_383, 16_384, 16_385, 32_767, 32_768, (5 << 20) - 1, 5 << 20, (5 << 20) + 1];

/// FORMAT.md: "The empty object is P_1 with n = 0, 72 bytes"; "n = 0, 1, 16383, 16384, 16385 are ordinary".
#[test]
fn every_boundary_length_round_trips() {
    for length in BOUNDARIES {
        let object = seal_put(&HOME, &pattern(1, length));
        let (plain, end) = read(&HOME, &object.stored, None);
        assert_eq!(end, Ok(()), "{length}");
        assert!(plain == object.plain, "{length}");
        let (_, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert_eq!(footer.stored_bytes(), object.stored.len() as u64);
        assert_eq!(Some(footer.body_range().end), stored_part_bytes(length as u64));
        let manifest_bytes = footer.manifest().encoded_len() as u64;
        assert_eq!(stored_object_bytes(length as u64, manifest_bytes), Some(footer.stored_bytes()));
    }
}

/// FORMAT.md: "Reading the whole object verifies every stored byte of the body, of the empty object too."
#[test]
fn the_whole_range_reads_every_stored_byte_of_the_body() {
    let empty_ends = [(1, salt(1), vec![]), (2, salt(2), pattern(2, 16_384)), (9, salt(3), vec![])];
    let object = seal_object(&HOME, &empty_ends);
    let (keys, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{error}"));
    let plan = footer.range(&keys, 0..16_384).expect("inside");
    assert_eq!(plan.stored, footer.body_range());
    let empty = seal_put(&HOME, b"");
    let (keys, footer) = open_footer(&HOME, &empty.stored).unwrap_or_else(|error| panic!("{error}"));
    let plan = footer.range(&keys, 0..0).expect("inside");
    assert_eq!(plan.stored, 0..72);
    assert!(!plan.opener.is_complete(), "the empty segment is still to be verified");
    assert_eq!(plan.opener.finish(), Err(FormatError::Truncated));
}

#[test]
fn an_empty_range_of_a_full_object_reads_nothing() {
    let object = seal_put(&HOME, b"abc");
    let (keys, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{error}"));
    let plan = footer.range(&keys, 2..2).expect("inside");
    assert!(plan.stored.is_empty());
    assert_eq!(plan.opener.finish(), Ok(()));
}

#[test]
fn ranges_outside_the_object_have_no_plan() {
    let object = seal_put(&HOME, b"abc");
    let (keys, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{error}"));
    assert!(footer.range(&keys, 0..4).is_none());
    assert!(footer.range(&keys, 4..4).is_none());
    assert!(footer.range(&keys, u64::MAX - 1..u64::MAX).is_none());
    #[expect(clippy::reversed_empty_ranges, reason = "what a careless caller may pass")]
    let reversed = 2..1;
    assert!(footer.range(&keys, reversed).is_none());
}

/// FORMAT.md: "A range read fetches exactly the segments of the range."
#[test]
fn a_range_inside_one_segment_reads_that_segment() {
    let object = seal_put(&HOME, &pattern(1, 100_000));
    let (keys, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{error}"));
    let plan = footer.range(&keys, 40_000..40_001).expect("inside");
    assert_eq!(plan.stored, 56 + 2 * 16_400..56 + 3 * 16_400);
}

/// FORMAT.md: "A part that was not finished MUST NOT be accepted": the contract that a caller can break fails closed.
#[test]
fn sealer_dropped_before_finish_leaves_what_no_reader_accepts() {
    let keys = HOME.keys();
    for length in [0, 1, 16_384, 20_000, 32_768] {
        let plain = pattern(3, length);
        let mut sealer = PartSealer::new(&keys, 0, salt(1)).expect("a part number");
        let mut out = vec![0; 100_000];
        let progress = sealer.seal(&plain, &mut out).expect("seals");
        drop(sealer);
        let plan = RangeOpener::for_part(&keys, 0, salt(1), length as u64).expect("a plan");
        let (_, end) = drain(plan.opener, &out[..progress.written], 20_000);
        assert_eq!(end, Err(FormatError::Truncated), "{length}");
        // Nor does it pass for a shorter part.
        let shorter = length / 16_384 * 16_384;
        let plan = RangeOpener::for_part(&keys, 0, salt(1), shorter as u64).expect("a plan");
        let (_, end) = drain(plan.opener, &out[..progress.written], 20_000);
        assert_eq!(end, Err(FormatError::Truncated), "{length}");
    }
}

#[test]
fn sealer_says_what_it_cannot_do() {
    let keys = HOME.keys();
    assert!(matches!(PartSealer::new(&keys, 10_001, salt(1)), Err(SealError::PartNumber(10_001))));
    let mut sealer = PartSealer::new(&keys, 10_000, salt(1)).expect("a part number");
    assert_eq!(sealer.finish(&mut [0; 71]), Err(SealError::BufferTooSmall));
    let mut out = [0; 72];
    assert_eq!(sealer.finish(&mut out).map(|sealed| sealed.written), Ok(72));
    assert_eq!(sealer.finish(&mut out), Err(SealError::Finished));
    assert_eq!(sealer.seal(b"x", &mut out), Err(SealError::Finished));
}

#[test]
fn smallest_promised_buffer_always_makes_progress() {
    let keys = HOME.keys();
    let plain = pattern(1, 50_000);
    let mut sealer = PartSealer::new(&keys, 0, salt(1)).expect("a part number");
    let (mut stored, mut at, mut out) = (Vec::new(), 0, vec![0; MIN_SEAL_BUFFER_BYTES]);
    while at < plain.len() {
        let progress = sealer.seal(&plain[at..], &mut out).expect("seals");
        assert!(progress.consumed > 0);
        at += progress.consumed;
        stored.extend_from_slice(&out[..progress.written]);
    }
    let sealed = sealer.finish(&mut out).expect("finishes");
    stored.extend_from_slice(&out[..sealed.written]);
    assert!(stored == seal_part(&keys, 0, salt(1), &plain).0);
}

/// FORMAT.md: "The length of the footer is known before the first byte of the body."
#[test]
fn footer_length_is_known_beforehand() {
    let object = seal_put(&HOME, b"abc");
    let (_, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{error}"));
    let facts = footer.manifest();
    let algorithms: Vec<_> = facts.checksums.iter().map(|checksum| checksum.digest.algorithm()).collect();
    let shape = ManifestShape::single_put(&algorithms, &facts.content_headers, &facts.user_metadata);
    let manifest_bytes = Manifest::encoded_len_for(&shape);
    assert_eq!(Some(object.stored.len() as u64 - 75), footer_bytes(manifest_bytes as u64));
}

#[test]
fn ten_thousand_parts_round_trip() {
    let parts: Vec<_> = (1..=10_000_u16).map(|n| (n, salt(n as u8), vec![n as u8; usize::from(n % 3)])).collect();
    let object = seal_object(&HOME, &parts);
    let (plain, end) = read(&HOME, &object.stored, None);
    assert_eq!(end, Ok(()));
    assert!(plain == object.plain);
    let trailer = Trailer::parse(&object.stored, object.stored.len() as u64).expect("ours");
    assert!(trailer.manifest_stored_bytes() > 64 << 10, "this one needs a second fetch");
}

#[test]
fn lists_are_written_in_order_whatever_order_they_come_in() {
    let mut one = manifest(vec![ManifestPart::single(3, salt(1))]);
    let in_order = one.encode();
    one.checksums.reverse();
    one.content_headers.reverse();
    one.user_metadata.reverse();
    assert!(one.encode() == in_order);
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        prop::sample::select(vec![0, 1, 15, 16, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 49_152]),
        0_usize..70_000,
    ]
}

fn parts() -> impl Strategy<Value = Vec<(u16, [u8; 24], Vec<u8>)>> {
    let single = length().prop_map(|n| vec![(0, salt(7), pattern(7, n))]);
    let many = prop::collection::btree_map(1_u16..=10_000, length(), 1..5).prop_map(|numbers| {
        numbers.into_iter().map(|(number, n)| (number, salt(number as u8), pattern(number as u8, n))).collect()
    });
    prop_oneof![single, many, Just(vec![(10_000, salt(1), vec![])])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_any_split_in_any_runs(
        parts in parts(),
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        room in prop_oneof![Just(1_usize), 16_000_usize..17_000, 1_usize..200_000],
    ) {
        let object = seal_object(&HOME, &parts);
        let (keys, footer) = open_footer(&HOME, &object.stored).expect("opens");
        let ends = [ends.0.index(object.plain.len() + 1), ends.1.index(object.plain.len() + 1)];
        let range = ends[0].min(ends[1])..ends[0].max(ends[1]);
        let plan = footer.range(&keys, range.start as u64..range.end as u64).expect("inside");
        let needed = range.len() / 16_384 + 3 * parts.len() + 2;
        prop_assert!(plan.stored.end - plan.stored.start <= (needed * 16_400) as u64, "it reads no more than the segments");
        let stored = &object.stored[plan.stored.start as usize..plan.stored.end as usize];
        let (plain, end) = drain(plan.opener, stored, room);
        prop_assert_eq!(end, Ok(()));
        prop_assert!(plain == object.plain[range]);
    }

    #[test]
    fn fragments_of_the_input_do_not_change_what_is_sealed(n in length(), piece in 1_usize..40_000) {
        let (plain, keys) = (pattern(9, n), HOME.keys());
        let mut sealer = PartSealer::new(&keys, 3, salt(9)).expect("a part number");
        let (mut stored, mut out) = (Vec::new(), vec![0; 100_000]);
        for chunk in plain.chunks(piece) {
            let progress = sealer.seal(chunk, &mut out).expect("seals");
            prop_assert_eq!(progress.consumed, chunk.len());
            stored.extend_from_slice(&out[..progress.written]);
        }
        let sealed = sealer.finish(&mut out).expect("finishes");
        stored.extend_from_slice(&out[..sealed.written]);
        prop_assert!(stored == seal_part(&keys, 3, salt(9), &plain).0);
    }
}
