//! Objects for the tests, made deterministically through the public interface.

use std::ops::Range;

use crate::base::{
    BodyId, BucketId, ChecksumAlgorithm, ChecksumType, Digest, ETag, FooterId, Key32, KeyId, Md5, ObjectChecksum,
    PrincipalId, Timestamp,
};
use crate::envelope::{
    BodyKeys, ContentHeader, Dek, Footer, FormatError, Manifest, ManifestPart, ObjectName, PartSealer, RangeOpener,
    SealedPart, Trailer, WrappedDek, seal_footer, unwrap_dek, wrap_dek,
};

/// Reproducible bytes that differ at every place that matters: `seed` tells streams apart.
pub(super) fn pattern(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31) ^ ((i >> 8) as u8).wrapping_mul(7) ^ seed).collect()
}

/// The names and keys that an object of the tests is bound to; `n` tells one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) bucket_key: u8,
    pub(super) key_id: u8,
    pub(super) bucket_id: u8,
    pub(super) key: &'static [u8],
    pub(super) body: u8,
    pub(super) footer: u8,
}

pub(super) const HOME: Binding =
    Binding { bucket_key: 0x10, key_id: 0x20, bucket_id: 0x30, key: b"base/x", body: 0x40, footer: 0x50 };

impl Binding {
    pub(super) fn bucket_key(&self) -> Key32 {
        Key32::new([self.bucket_key; 32])
    }

    pub(super) fn key_id(&self) -> KeyId {
        KeyId::from_bytes([self.key_id; 16])
    }

    pub(super) fn bucket_id(&self) -> BucketId {
        BucketId::from_bytes([self.bucket_id; 16])
    }

    pub(super) fn name(&self) -> ObjectName {
        ObjectName::new(&self.bucket_id(), self.key)
    }

    pub(super) fn body_id(&self) -> BodyId {
        BodyId::from_bytes([self.body; 16])
    }

    pub(super) fn footer_id(&self) -> FooterId {
        FooterId::from_bytes([self.footer; 16])
    }

    pub(super) fn dek(&self) -> Dek {
        Dek::new(Key32::new([self.body ^ 0xff; 32]))
    }

    pub(super) fn keys(&self) -> BodyKeys {
        BodyKeys::derive(&self.dek(), &self.body_id())
    }

    pub(super) fn wrapped(&self) -> WrappedDek {
        wrap_dek(&self.bucket_key(), self.key_id(), &self.body_id(), &self.name(), [self.footer; 24], &self.dek())
    }
}

/// A salt for a part attempt.
pub(super) fn salt(n: u8) -> [u8; 24] {
    std::array::from_fn(|i| n.wrapping_mul(17).wrapping_add(i as u8))
}

/// Seals a part in one go.
pub(super) fn seal_part(keys: &BodyKeys, number: u16, salt: [u8; 24], plain: &[u8]) -> (Vec<u8>, SealedPart) {
    let mut sealer = PartSealer::new(keys, number, salt).expect("a part number");
    let mut out = vec![0; plain.len() + plain.len() / 1024 + 40_000];
    let progress = sealer.seal(plain, &mut out).expect("seals");
    assert_eq!(progress.consumed, plain.len());
    let sealed = sealer.finish(&mut out[progress.written..]).expect("finishes");
    out.truncate(progress.written + sealed.written);
    assert_eq!(out.len() as u64, sealed.stored_bytes);
    (out, sealed)
}

/// A manifest with something in every field.
pub(super) fn manifest(parts: Vec<ManifestPart>) -> Manifest {
    let multipart = parts[0].number > 0;
    let count = parts.len() as u16;
    let md5 = Md5([0xe7; 16]);
    let sha256 = Digest::new(ChecksumAlgorithm::Sha256, &[0x5a; 32]).expect("32 bytes");
    let crc = Digest::new(ChecksumAlgorithm::Crc64Nvme, &[0xc6; 8]).expect("8 bytes");
    Manifest {
        plaintext_bytes: parts.iter().map(|part| part.plaintext_bytes).sum(),
        etag: if multipart { ETag::Multipart(md5, count) } else { ETag::Md5(md5) },
        checksums: vec![
            ObjectChecksum { digest: crc, kind: ChecksumType::FullObject, parts: 0 },
            if multipart {
                ObjectChecksum { digest: sha256, kind: ChecksumType::Composite, parts: count }
            } else {
                ObjectChecksum { digest: sha256, kind: ChecksumType::FullObject, parts: 0 }
            },
        ],
        parts,
        content_headers: vec![
            (ContentHeader::ContentType, b"text/plain".to_vec()),
            (ContentHeader::CacheControl, b"no-cache".to_vec()),
        ],
        user_metadata: vec![(b"color".to_vec(), "grün".as_bytes().to_vec()), (b"empty".to_vec(), Vec::new())],
        owner: PrincipalId::from_bytes([0x77; 16]),
        created: Timestamp::from_unix_millis(1_700_000_000_123),
    }
}

/// A stored object and what it says.
pub(super) struct Sealed {
    pub(super) stored: Vec<u8>,
    pub(super) plain: Vec<u8>,
}

/// Seals an object of these parts: (client number, salt, plaintext).
pub(super) fn seal_object(at: &Binding, parts: &[(u16, [u8; 24], Vec<u8>)]) -> Sealed {
    seal_object_with(at, &at.wrapped(), parts)
}

/// The same with a given wrap.
pub(super) fn seal_object_with(at: &Binding, wrapped: &WrappedDek, parts: &[(u16, [u8; 24], Vec<u8>)]) -> Sealed {
    let keys = at.keys();
    let (mut stored, mut plain, mut table) = (Vec::new(), Vec::new(), Vec::new());
    for (number, salt, bytes) in parts {
        let (part, facts) = seal_part(&keys, *number, *salt, bytes);
        stored.extend(part);
        plain.extend(bytes);
        table.push(match number {
            0 => ManifestPart::single(facts.plaintext_bytes, facts.salt),
            &number => ManifestPart {
                number,
                plaintext_bytes: facts.plaintext_bytes,
                salt: facts.salt,
                md5: Some(Md5([number as u8; 16])),
                digests: Digest::new(ChecksumAlgorithm::Sha256, &[number as u8 ^ 0xff; 32]).into_iter().collect(),
            },
        });
    }
    let footer = seal_footer(&keys, &at.name(), wrapped, at.footer_id(), &manifest(table), [at.footer ^ 0x0f; 24]);
    stored.extend(footer.expect("a footer"));
    Sealed { stored, plain }
}

/// A single PUT.
pub(super) fn seal_put(at: &Binding, plain: &[u8]) -> Sealed {
    seal_object(at, &[(0, salt(at.body), plain.to_vec())])
}

/// Parses, unwraps and verifies; what `objects` does, without I/O.
pub(super) fn open_footer(at: &Binding, stored: &[u8]) -> Result<(BodyKeys, Footer), FormatError> {
    let trailer = Trailer::parse(stored, stored.len() as u64)?;
    let dek = unwrap_dek(&at.bucket_key(), trailer.wrapped_dek(), &trailer.body_id(), &at.name())?;
    let keys = BodyKeys::derive(&dek, &trailer.body_id());
    let range = trailer.manifest_range();
    let manifest = &stored[range.start as usize..range.end as usize];
    let footer = trailer.verify(&keys, &at.name(), manifest)?;
    Ok((keys, footer))
}

/// Feeds `stored` to an opener in runs of at most `room` bytes. What came out, and how it ended.
pub(super) fn drain(mut opener: RangeOpener, mut stored: &[u8], room: usize) -> (Vec<u8>, Result<(), FormatError>) {
    let mut plain = Vec::new();
    loop {
        let run_bytes = opener.next_run(room);
        if run_bytes == 0 {
            // What is left over is the opener's to refuse.
            let left = opener.open_run(&mut stored.to_vec()).map(drop);
            return (plain, left.and(opener.finish()));
        }
        // A reader that meets the end opens what it has: whole items are verified, a cut one is refused.
        let run;
        (run, stored) = stored.split_at(run_bytes.min(stored.len()));
        if run.is_empty() {
            return (plain, opener.finish());
        }
        match opener.open_run(&mut run.to_vec()) {
            Err(error) => return (plain, Err(error)),
            Ok(opened) => plain.extend_from_slice(&opened),
        }
    }
}

/// Reads a range of a stored object.
pub(super) fn read(at: &Binding, stored: &[u8], range: Option<Range<u64>>) -> (Vec<u8>, Result<(), FormatError>) {
    match open_footer(at, stored) {
        Err(error) => (Vec::new(), Err(error)),
        Ok((keys, footer)) => {
            let plan = footer.range(&keys, range.unwrap_or(0..footer.plaintext_bytes())).expect("inside the object");
            let bytes = &stored[plan.stored.start as usize..plan.stored.end as usize];
            drain(plan.opener, bytes, 60_000)
        }
    }
}
