//! Both readers on the same objects: what the first seals the second opens, byte for byte and fact for fact.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::fixture::{HOME, pattern, salt, seal_object, seal_part};
use super::second_reader::{self as second, DomainKey, Facts, Request};
use crate::base::{ChecksumType, ETag};
use crate::envelope::cobblestone::{self, unwrap};
use crate::envelope::{Manifest, index_key, open_record, seal_record};

fn home() -> Request {
    Request {
        bucket_id: *HOME.bucket_id().as_bytes(),
        key: HOME.key.to_vec(),
        domain: vec![DomainKey { id: *HOME.key_id().as_bytes(), scheme: 1, key: *HOME.bucket_key().expose() }],
        direct: Vec::new(),
        footer_id: None,
    }
}

pub(super) fn manifests_agree(first: &Manifest, second: &Facts) -> bool {
    let etag = match first.etag {
        ETag::Md5(md5) => (1, md5.0, 0),
        ETag::Multipart(md5, parts) => (2, md5.0, parts),
        ETag::Opaque(random) => (3, random, 0),
    };
    let checksums = first.checksums.iter().map(|checksum| {
        let kind = if checksum.kind == ChecksumType::Composite { 2 } else { 1 };
        (checksum.digest.algorithm().code(), kind, checksum.parts, checksum.digest.bytes().to_vec())
    });
    let parts_agree = first.parts.len() == second.parts.len()
        && first.parts.iter().zip(&second.parts).all(|(one, two)| {
            let digests = one.digests.iter().map(|digest| (digest.algorithm().code(), digest.bytes().to_vec()));
            one.number == two.number
                && one.plaintext_bytes == two.length
                && one.md5.map(|md5| md5.0) == two.md5
                && digests.eq(two.digests.iter().cloned())
        });
    let headers = first.content_headers.iter().map(|(header, value)| (header.code(), value.clone()));
    parts_agree
        && etag == second.etag
        && checksums.eq(second.checksums.iter().cloned())
        && headers.eq(second.headers.iter().cloned())
        && first.user_metadata == second.metadata
        && first.plaintext_bytes == second.length
        && *first.owner.as_bytes() == second.owner
        && first.created.unix_millis() == second.created
}

#[test]
fn second_reader_opens_every_boundary_length() {
    for length in [0, 1, 16_383, 16_384, 16_385, 32_768, (5 << 20) - 1, 5 << 20, (5 << 20) + 1] {
        let object = seal_object(&HOME, &[(0, salt(1), pattern(1, length))]);
        let second = second::open(&home(), &object.stored).unwrap_or_else(|step| panic!("{length}: {step}"));
        let body = object.stored.len() - 256 - second.manifest.len() - 72;
        let (plain, ended) = second.read(&object.stored[..body], &(0..length as u64));
        assert_eq!(ended, Ok(()), "{length}");
        assert!(plain == object.plain, "{length}");
    }
}

#[test]
fn wrapped_keys_and_records_open_with_the_second_reader() {
    let (key, context) = (HOME.bucket_key(), [7; 32]);
    let wrapped = cobblestone::wrap(&key, &context, salt(3), HOME.dek().key());
    assert_eq!(second::unwrap(key.expose(), &context, &wrapped).as_deref(), Some(&HOME.dek().key().expose()[..]));
    assert!(unwrap(&key, &context, &wrapped).is_some_and(|dek| dek.same_as(HOME.dek().key())));
    assert!(unwrap(&key, &[8; 32], &wrapped).is_none());
    let index = index_key(&key);
    assert_eq!(*index.expose(), second::expand(key.expose(), "index", &[]));
    let record = seal_record(&index, b"index row", salt(4), b"etag");
    assert_eq!(second::open_record(index.expose(), b"index row", &record).as_deref(), Some(&b"etag"[..]));
    assert_eq!(open_record(&index, b"index row", &record).as_deref().map(Vec::as_slice), Ok(&b"etag"[..]));
}

/// C2SP chunked-encryption, as another implementation has it: streams made by pyca/cryptography open with both readers, and
/// sealing with the same salt yields the same bytes.
#[test]
fn streams_of_another_implementation_are_ours() {
    let text = include_str!("../../../conformance/vectors/cobblestone/pyca.json");
    let file: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let streams = file["streams"].as_array().expect("streams");
    assert_eq!(streams.len(), 6);
    for stream in streams {
        let bytes = |field: &str| hex::decode(stream[field].as_str().expect(field)).expect("hex");
        let number = |field: &str| stream[field].as_u64().expect(field) as usize;
        let plain = pattern(number("pattern_seed") as u8, number("plaintext_bytes"));
        let (header, context) = (bytes("header"), bytes("context"));
        let key = crate::base::Key32::from_slice(&bytes("key")).expect("32 bytes");
        let salt = *header.first_chunk().expect("24 bytes");
        let stored = cobblestone::seal_whole(&key, &salt, &context, &plain).expect("seals");
        assert_eq!(stored[..56], header, "{} bytes", plain.len());
        assert_eq!(hex::encode(second::sha256(&stored)), stream["stored_sha256"], "{} bytes", plain.len());
        assert!(second::unwrap(key.expose(), &context, &stored) == Some(plain));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn second_reader_opens_any_split_and_range(
        lengths in prop::collection::btree_map(1_u16..=10_000, 0_usize..40_000, 1..4),
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let parts: Vec<_> = lengths.iter().map(|(&n, &length)| (n, salt(n as u8), pattern(n as u8, length))).collect();
        let object = seal_object(&HOME, &parts);
        let second = second::open(&home(), &object.stored).unwrap_or_else(|step| panic!("{step}"));
        let body: usize = parts.iter().map(|(number, salt, plain)| seal_part(&HOME.keys(), *number, *salt, plain).0.len()).sum();
        let ends = [ends.0.index(object.plain.len() + 1), ends.1.index(object.plain.len() + 1)];
        let range = ends[0].min(ends[1])..ends[0].max(ends[1]);
        let (plain, ended) = second.read(&object.stored[..body], &(range.start as u64..range.end as u64));
        prop_assert_eq!(ended, Ok(()));
        prop_assert!(plain == object.plain[range]);
    }
}
