//! Every parser of untrusted bytes, fed with random and mutated input: it may refuse, it never panics, and what it accepts
//! is only what was sealed.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

use super::fixture::{HOME, drain, manifest, open_footer, pattern, read, salt, seal_object, seal_put};
use crate::envelope::{
    FormatError, Manifest, ManifestFault, ManifestPart, RangeOpener, Scheme, Trailer, WrappedDek, cobblestone, layout,
    open_record, unwrap_dek,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_trailers(mut bytes in prop::collection::vec(any::<u8>(), 0..600), size in any::<u64>(), magic in any::<bool>()) {
        if let (true, Some(start)) = (magic, bytes.len().checked_sub(256)) {
            bytes[start..start + 10].copy_from_slice(b"CRYPTKPR\x01\x01");
            bytes[start + 80..start + 86].copy_from_slice(&[0, 0, 0, 0, 0, 104]);
            bytes[start + 190..start + 224].fill(0);
            bytes[start + 10..start + 12].fill(0);
        }
        for size in [size, bytes.len() as u64] {
            if let Ok(trailer) = Trailer::parse(&bytes, size) {
                let range = trailer.manifest_range();
                prop_assert!(range.end + 256 == size);
                prop_assert!(trailer.verify(&HOME.keys(), &HOME.name(), &bytes).is_err());
            }
        }
    }

    #[test]
    fn random_manifests(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(manifest) = Manifest::decode(&bytes) {
            prop_assert!(manifest.encode().is_ok_and(|again| again == bytes), "one encoding");
        }
    }

    /// What still decodes after an edit encodes to the edited bytes: there is no second encoding of anything.
    #[test]
    fn mutated_manifests(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>(), how in 0_u8..3) {
        let parts = vec![
            ManifestPart { number: 1, plaintext_bytes: 5, salt: salt(1), md5: None, digests: Vec::new() },
            ManifestPart { number: 2, plaintext_bytes: 6, salt: salt(2), md5: None, digests: Vec::new() },
        ];
        let mut bytes = manifest(parts).encode().expect("encodes");
        for (at, to) in edits {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        match how {
            0 => bytes.truncate(cut.index(bytes.len())),
            1 => bytes.insert(cut.index(bytes.len()), 0),
            _ => {}
        }
        if let Ok(manifest) = Manifest::decode(&bytes) {
            prop_assert!(manifest.encode().is_ok_and(|again| again == bytes), "one encoding");
        }
    }

    #[test]
    fn random_wraps_and_records(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(cobblestone::unwrap(&HOME.bucket_key(), b"context", &bytes).is_none());
        prop_assert!(open_record(&HOME.bucket_key(), b"context", &bytes).is_err());
        for scheme in [Scheme::Bucket, Scheme::Direct] {
            if let Ok(wrapped) = WrappedDek::new(scheme, HOME.key_id(), 0, bytes.clone()) {
                prop_assert!(unwrap_dek(&HOME.bucket_key(), &wrapped, &HOME.body_id(), &HOME.name()).is_err());
            }
        }
    }

    #[test]
    fn random_lengths(stored in any::<u64>(), index in any::<u64>()) {
        let _ = (layout::plaintext_bytes(stored), layout::stored_part_bytes(stored), layout::footer_bytes(stored));
        let _ = (layout::segment_offset(index), layout::segment_plaintext_bytes(stored, index));
    }

    #[test]
    fn random_bodies(bytes in prop::collection::vec(any::<u8>(), 0..40_000), n in 0_u64..40_000, room in 1_usize..50_000) {
        let plan = RangeOpener::for_part(&HOME.keys(), 5, salt(5), n).expect("a plan");
        let (plain, ended) = drain(plan.opener, &bytes, room);
        prop_assert!(ended.is_err() && plain.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// An object with any edit anywhere: either refused, or the edit changed nothing.
    #[test]
    fn mutated_objects(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        multipart in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let object = if multipart {
            seal_object(&HOME, &[(1, salt(1), pattern(1, 17_000)), (2, salt(2), pattern(2, 300))])
        } else {
            seal_put(&HOME, &pattern(1, 900))
        };
        let mut stored = object.stored.clone();
        for (at, to) in edits {
            let at = at.index(stored.len());
            stored[at] = to;
        }
        if let Some(cut) = cut {
            stored.truncate(cut.index(stored.len()));
        }
        let (plain, ended) = read(&HOME, &stored, None);
        prop_assert!(object.plain.starts_with(&plain), "unverified bytes came out");
        prop_assert!(ended.is_err() || stored == object.stored, "an edit went unseen");
    }
}

#[test]
fn an_opener_that_failed_stays_failed() {
    let object = seal_put(&HOME, &pattern(1, 40_000));
    let (keys, footer) = open_footer(&HOME, &object.stored).unwrap_or_else(|error| panic!("{error}"));
    let mut opener = footer.range(&keys, 0..40_000).expect("inside").opener;
    let mut edited = object.stored[..56 + 2 * 16_400].to_vec();
    edited[56 + 16_400] ^= 1;
    let refused = FormatError::Segment { part: 0, index: 1 };
    assert_eq!(opener.open_run(&mut edited).err(), Some(refused));
    assert!(edited.iter().all(|&byte| byte == 0), "what stands in a run that does not verify is wiped");
    let mut stored = object.stored.clone();
    assert_eq!(opener.open_run(&mut stored).err(), Some(refused));
    assert!(stored.iter().all(|&byte| byte == 0));
    assert!(!opener.is_complete());
    assert_eq!(opener.finish(), Err(refused));
}

#[test]
fn manifests_that_break_a_rule_are_not_written() {
    use crate::envelope::SealError::Manifest as Fault;
    let single = || manifest(vec![ManifestPart::single(3, salt(1))]);
    let part = |number| ManifestPart { number, ..ManifestPart::single(3, salt(1)) };
    let refused = |edit: fn(&mut Manifest), fault| {
        let mut edited = single();
        edit(&mut edited);
        assert_eq!(edited.encode().err(), Some(Fault(fault)));
    };
    refused(|m| m.plaintext_bytes = 4, ManifestFault::PartLengths);
    refused(|m| m.parts.clear(), ManifestFault::PartNumbers);
    refused(|m| m.parts[0].number = 10_001, ManifestFault::PartNumbers);
    refused(|m| m.parts[0].md5 = Some(crate::base::Md5([0; 16])), ManifestFault::PartDigests);
    refused(|m| m.user_metadata.push((Vec::new(), Vec::new())), ManifestFault::EmptyName);
    refused(|m| m.user_metadata.push(m.user_metadata[0].clone()), ManifestFault::Order);
    refused(|m| m.content_headers.push(m.content_headers[0].clone()), ManifestFault::Order);
    refused(|m| m.checksums.push(m.checksums[0]), ManifestFault::Order);
    refused(|m| m.user_metadata.push((b"x".to_vec(), vec![0; 65_536])), ManifestFault::TooLong);
    for parts in [vec![part(0), part(1)], vec![part(2), part(1)], vec![part(2), part(2)]] {
        let mut edited = manifest(parts);
        edited.etag = single().etag;
        edited.checksums.clear();
        assert_eq!(edited.encode().err(), Some(Fault(ManifestFault::PartNumbers)));
    }
    let mut long = single();
    long.user_metadata = (0..70_u8).map(|n| (vec![n + 1], vec![0; 65_535])).collect();
    assert_eq!(long.encode().err(), Some(Fault(ManifestFault::TooLong)));
}
