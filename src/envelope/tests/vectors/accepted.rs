//! The generator of the vectors that open.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::fixture::{
    self, Binding, HOME, Sealed, manifest, pattern, salt, seal_object, seal_object_with, seal_part,
};
use super::super::second_reader::{self as second, sha256};
use super::schema::{Accepted, Asked, Key, VaultKey};
use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, ObjectChecksum};
use crate::envelope::{ContentHeader, Manifest, ManifestPart, Scheme, WrappedDek, seal_footer, wrap_binding};

/// Another object of the same bucket.
pub(super) const OTHER_UPLOAD: Binding = Binding { body: 0x41, footer: 0x51, ..HOME };
/// The next version of the same key.
pub(super) const NEXT_VERSION: Binding = Binding { body: 0x42, footer: 0x52, ..HOME };
/// Where a data-free copy goes: another bucket of the same domain, another key, the same body.
pub(super) const COPY: Binding = Binding { bucket_id: 0x31, key: b"/x", footer: 0x53, ..HOME };

/// The multipart object's parts: (number, length).
pub(super) const PARTS: [(u16, usize); 4] = [(1, 16_385), (2, 20_000), (3, 20_000), (9, 5)];

pub(super) fn all() -> Vec<Accepted> {
    let mut all: Vec<_> = [
        ("empty", 0, "The empty object is P_1 with n = 0, 72 bytes."),
        ("one_byte", 1, "One short segment."),
        ("segment_less_one", 16_383, "The longest plaintext of one segment."),
        ("segment", 16_384, "A plaintext of 16,384 bytes has two segments, the last one empty."),
        ("segment_and_one", 16_385, "Two segments."),
        ("segments", 50_000, "Three full segments and a short one."),
    ]
    .into_iter()
    .map(|(case, length, says)| {
        let sealed = fixture::seal_put(&HOME, &pattern(HOME.body, length));
        accepted(case, says, &HOME, &sealed)
    })
    .collect();
    all.push(multipart());
    all.push(accepted("next_version", "Another body under the same name.", &NEXT_VERSION, &put(&NEXT_VERSION, 50_000)));
    let copied = Sealed { plain: pattern(HOME.body, 1), ..put(&HOME, 1) };
    let copied = Sealed { stored: refooted(&copied.stored), ..copied };
    all.push(accepted(
        "copied",
        "A data-free copy keeps parts, body id and DEK, and gets a new footer.",
        &COPY,
        &copied,
    ));
    all.push(direct());
    all.push(every_field());
    all.push(empty_parts());
    all
}

pub(super) fn put(at: &Binding, length: usize) -> Sealed {
    fixture::seal_put(at, &pattern(HOME.body, length))
}

fn multipart() -> Accepted {
    let attempt = |n: u16, attempt: u8| salt(n as u8 * 10 + attempt);
    let plain = |n: u16, length: usize| pattern(n as u8, length);
    let parts: Vec<_> = PARTS.iter().map(|&(n, length)| (n, attempt(n, 1), plain(n, length))).collect();
    let mut vector =
        accepted("multipart", "Parts of any length, in order of their numbers.", &HOME, &seal_object(&HOME, &parts));
    let earlier = seal_part(&HOME.keys(), 2, attempt(2, 0), &pattern(0xe2, 20_000)).0;
    let foreign = seal_part(&OTHER_UPLOAD.keys(), 2, attempt(2, 1), &plain(2, 20_000)).0;
    let renumbered = seal_part(&HOME.keys(), 4, attempt(2, 1), &plain(2, 20_000)).0;
    for (name, bytes) in [
        ("part_2_earlier_attempt", earlier),
        ("part_2_of_another_upload", foreign),
        ("part_2_sealed_as_part_4", renumbered),
    ] {
        vector.spare.insert(name.to_owned(), STANDARD.encode(bytes));
    }
    vector
}

/// The one-byte body of HOME with a footer for COPY.
fn refooted(stored: &[u8]) -> Vec<u8> {
    let facts = manifest(vec![ManifestPart::single(1, salt(HOME.body))]);
    let footer = seal_footer(&COPY.keys(), &COPY.name(), &COPY.wrapped(), COPY.footer_id(), &facts, [0x5c; 24]);
    [&stored[..73], &footer.expect("a footer")].concat()
}

fn direct() -> Accepted {
    let wrapped = WrappedDek::new(Scheme::Direct, HOME.key_id(), 7, pattern(0xd1, 61)).expect("fits");
    let sealed = seal_object_with(&HOME, &wrapped, &[(0, salt(HOME.body), pattern(HOME.body, 100))]);
    let mut vector = accepted("direct_wrap", "A DEK wrapped by Vault, version 7, 61 bytes.", &HOME, &sealed);
    let binding = wrap_binding(Scheme::Direct, &HOME.body_id(), &HOME.key_id(), &HOME.name());
    vector.request.domain_keys[0].scheme = 2;
    vector.request.vault = vec![VaultKey {
        context: hex::encode(binding.digest()),
        version: 7,
        wrap: hex::encode(wrapped.bytes()),
        dek: hex::encode(HOME.dek().key().expose()),
    }];
    let object = second::open(&super::request(&vector.request), &sealed.stored);
    vector.manifest = hex::encode(object.unwrap_or_else(|step| panic!("direct_wrap: {step}")).manifest);
    vector
}

/// Every checksum, every header, an opaque ETag, parts without MD5 but with every digest.
fn every_field() -> Accepted {
    let digest = |algorithm: ChecksumAlgorithm, fill: u8| {
        Digest::new(algorithm, &vec![fill; algorithm.digest_bytes()]).expect("as long as it must be")
    };
    let (keys, mut stored, mut plain, mut parts) = (HOME.keys(), Vec::new(), Vec::new(), Vec::new());
    for number in [1_u16, 10_000] {
        let bytes = pattern(number as u8, 3);
        let (part, facts) = seal_part(&keys, number, salt(number as u8), &bytes);
        stored.extend(part);
        plain.extend(bytes);
        let digests = ChecksumAlgorithm::ALL.map(|algorithm| digest(algorithm, number as u8)).to_vec();
        parts.push(ManifestPart { number, plaintext_bytes: 3, salt: facts.salt, md5: None, digests });
    }
    let facts = Manifest {
        etag: ETag::Opaque([0x0a; 16]),
        checksums: ChecksumAlgorithm::ALL
            .map(|algorithm| ObjectChecksum {
                digest: digest(algorithm, 0xcc),
                kind: if algorithm == ChecksumAlgorithm::Sha1 {
                    ChecksumType::Composite
                } else {
                    ChecksumType::FullObject
                },
                parts: if algorithm == ChecksumAlgorithm::Sha1 { 2 } else { 0 },
            })
            .to_vec(),
        content_headers: ContentHeader::ALL.map(|header| (header, header.header().as_bytes().to_vec())).to_vec(),
        user_metadata: vec![(b"a".to_vec(), vec![0xff, 0x00]), (b"b".to_vec(), vec![b'v'; 300])],
        created: crate::base::Timestamp::from_unix_millis(-1),
        ..manifest(parts)
    };
    let footer = seal_footer(&keys, &HOME.name(), &HOME.wrapped(), HOME.footer_id(), &facts, [0x5e; 24]);
    stored.extend(footer.expect("a footer"));
    accepted("every_field", "Everything a manifest can hold.", &HOME, &Sealed { stored, plain })
}

fn empty_parts() -> Accepted {
    let parts = [(1, salt(1), vec![]), (2, salt(2), pattern(2, 16_384)), (3, salt(3), vec![])];
    accepted("empty_parts", "Parts MAY be empty.", &HOME, &seal_object(&HOME, &parts))
}

fn accepted(case: &str, says: &str, at: &Binding, sealed: &Sealed) -> Accepted {
    let request = asked(at);
    // The manifest as bytes, where the wrap is one that the second reader opens by itself.
    let object = second::open(&super::request(&request), &sealed.stored).ok();
    let t = sealed.stored.last_chunk::<256>().expect("a trailer");
    let body_bytes = u64::from_be_bytes(t[16..24].try_into().expect("8 bytes"));
    Accepted {
        case: case.to_owned(),
        says: says.to_owned(),
        request,
        dek: hex::encode(at.dek().key().expose()),
        plaintext_bytes: sealed.plain.len() as u64,
        plaintext_sha256: hex::encode(sha256(&sealed.plain)),
        manifest: object.map(|object| hex::encode(object.manifest)).unwrap_or_default(),
        body_bytes,
        stored: STANDARD.encode(&sealed.stored),
        spare: BTreeMap::new(),
    }
}

/// The request for an object, by a reader that has the right key.
pub(super) fn asked(at: &Binding) -> Asked {
    Asked {
        bucket_id: hex::encode(at.bucket_id().as_bytes()),
        key: hex::encode(at.key),
        domain_keys: vec![Key {
            key_id: hex::encode(at.key_id().as_bytes()),
            scheme: 1,
            bucket_key: hex::encode(at.bucket_key().expose()),
        }],
        vault: Vec::new(),
        footer_id: None,
    }
}
