//! The manifest as bytes: FORMAT.md, "Manifest". One encoding per value; lengths stand before variable fields.

use super::cobblestone::SALT_BYTES;
use super::error::ManifestFault;
use super::manifest::{ContentHeader, MAX_MANIFEST_BYTES, Manifest, ManifestPart, ManifestShape};
use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, Md5, ObjectChecksum, PrincipalId, Timestamp};

const VERSION: u8 = 1;
/// version, plaintext length, ETag, number of checksums, MD5 flag and number of part digests, number of parts, of content
/// headers, of metadata, owner, created.
const FIXED_BYTES: usize = 1 + 8 + ETAG_BYTES + 1 + 1 + 1 + 2 + 1 + 2 + 16 + 8;
const ETAG_BYTES: usize = 1 + 16 + 2;
const CHECKSUM_OVERHEAD_BYTES: usize = 1 + 1 + 2;
const PART_BYTES: usize = 2 + 8 + SALT_BYTES;
const MD5_BYTES: usize = 16;

pub(super) fn encoded_len(shape: &ManifestShape<'_>) -> usize {
    let checksums: usize =
        shape.checksums.iter().map(|algorithm| CHECKSUM_OVERHEAD_BYTES + algorithm.digest_bytes()).sum();
    let digests: usize = shape.part_digests.iter().map(|algorithm| algorithm.digest_bytes()).sum();
    let part = PART_BYTES + if shape.part_md5 { MD5_BYTES } else { 0 } + digests;
    let headers: usize = shape.content_headers.iter().map(|(_, value)| 1 + 2 + value.len()).sum();
    let metadata: usize = shape.user_metadata.iter().map(|(name, value)| 2 + name.len() + 2 + value.len()).sum();
    FIXED_BYTES + checksums + shape.part_digests.len() + part.saturating_mul(shape.parts) + headers + metadata
}

/// Of a manifest whose lists are in order and keep the rules.
pub(super) fn encode(manifest: &Manifest) -> Result<Vec<u8>, ManifestFault> {
    let length = manifest.encoded_len();
    if length > MAX_MANIFEST_BYTES {
        return Err(ManifestFault::TooLong);
    }
    let mut out = Writer(Vec::with_capacity(length));
    out.u8(VERSION);
    out.u64(manifest.plaintext_bytes);
    out.etag(&manifest.etag);
    out.count8(manifest.checksums.len())?;
    for checksum in &manifest.checksums {
        out.u8(checksum.digest.algorithm().code());
        out.u8(type_code(checksum.kind));
        out.u16(checksum.parts);
        out.bytes(checksum.digest.bytes());
    }
    encode_parts(&mut out, &manifest.parts)?;
    out.count8(manifest.content_headers.len())?;
    for (header, value) in &manifest.content_headers {
        out.u8(header.code());
        out.variable(value)?;
    }
    out.count16(manifest.user_metadata.len())?;
    for (name, value) in &manifest.user_metadata {
        out.variable(name)?;
        out.variable(value)?;
    }
    out.bytes(manifest.owner.as_bytes());
    out.bytes(&manifest.created.unix_millis().to_be_bytes());
    Ok(out.0)
}

fn encode_parts(out: &mut Writer, parts: &[ManifestPart]) -> Result<(), ManifestFault> {
    let first = parts.first().ok_or(ManifestFault::PartNumbers)?;
    out.u8(u8::from(first.md5.is_some()));
    out.count8(first.digests.len())?;
    for digest in &first.digests {
        out.u8(digest.algorithm().code());
    }
    out.count16(parts.len())?;
    for part in parts {
        out.u16(part.number);
        out.u64(part.plaintext_bytes);
        out.bytes(&part.salt);
        if let Some(md5) = &part.md5 {
            out.bytes(&md5.0);
        }
        for digest in &part.digests {
            out.bytes(digest.bytes());
        }
    }
    Ok(())
}

/// The bytes as values; the rules between the values are the caller's to check.
pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, ManifestFault> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(ManifestFault::TooLong);
    }
    let mut from = Reader(bytes);
    if from.u8()? != VERSION {
        return Err(ManifestFault::Version);
    }
    let plaintext_bytes = from.u64()?;
    let etag = from.etag()?;
    let checksums = (0..from.u8()?).map(|_| decode_checksum(&mut from)).collect::<Result<_, _>>()?;
    let parts = decode_parts(&mut from)?;
    let content_headers = (0..from.u8()?)
        .map(|_| Ok((ContentHeader::from_code(from.u8()?).ok_or(ManifestFault::Code)?, from.variable()?)))
        .collect::<Result<_, _>>()?;
    let user_metadata = (0..from.u16()?).map(|_| Ok((from.variable()?, from.variable()?))).collect::<Result<_, _>>()?;
    let owner = PrincipalId::from_bytes(from.array()?);
    let created = Timestamp::from_unix_millis(i64::from_be_bytes(from.array()?));
    if !from.0.is_empty() {
        return Err(ManifestFault::Trailing);
    }
    Ok(Manifest { plaintext_bytes, etag, checksums, parts, content_headers, user_metadata, owner, created })
}

fn decode_checksum(from: &mut Reader<'_>) -> Result<ObjectChecksum, ManifestFault> {
    let algorithm = from.algorithm()?;
    let kind = match from.u8()? {
        1 => ChecksumType::FullObject,
        2 => ChecksumType::Composite,
        _ => return Err(ManifestFault::Code),
    };
    let parts = from.u16()?;
    Ok(ObjectChecksum { digest: from.digest(algorithm)?, kind, parts })
}

fn decode_parts(from: &mut Reader<'_>) -> Result<Vec<ManifestPart>, ManifestFault> {
    let has_md5 = match from.u8()? {
        0 => false,
        1 => true,
        _ => return Err(ManifestFault::Code),
    };
    let algorithms: Vec<_> = (0..from.u8()?).map(|_| from.algorithm()).collect::<Result<_, _>>()?;
    let count = from.u16()?;
    // Nothing is reserved from the count: it is believed only as far as bytes follow.
    (0..count)
        .map(|_| {
            Ok(ManifestPart {
                number: from.u16()?,
                plaintext_bytes: from.u64()?,
                salt: from.array()?,
                md5: if has_md5 { Some(Md5(from.array()?)) } else { None },
                digests: algorithms.iter().map(|&algorithm| from.digest(algorithm)).collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

const fn type_code(kind: ChecksumType) -> u8 {
    match kind {
        ChecksumType::FullObject => 1,
        ChecksumType::Composite => 2,
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    fn count8(&mut self, count: usize) -> Result<(), ManifestFault> {
        u8::try_from(count).map(|count| self.u8(count)).map_err(|_| ManifestFault::TooLong)
    }

    fn count16(&mut self, count: usize) -> Result<(), ManifestFault> {
        u16::try_from(count).map(|count| self.u16(count)).map_err(|_| ManifestFault::TooLong)
    }

    fn variable(&mut self, bytes: &[u8]) -> Result<(), ManifestFault> {
        self.count16(bytes.len())?;
        self.bytes(bytes);
        Ok(())
    }

    fn etag(&mut self, etag: &ETag) {
        let (kind, value, suffix) = match etag {
            ETag::Md5(md5) => (1, &md5.0, 0),
            ETag::Multipart(md5, parts) => (2, &md5.0, *parts),
            ETag::Opaque(random) => (3, random, 0),
        };
        self.u8(kind);
        self.bytes(value);
        self.u16(suffix);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Result<&[u8], ManifestFault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ManifestFault::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ManifestFault> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(ManifestFault::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, ManifestFault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, ManifestFault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ManifestFault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn variable(&mut self) -> Result<Vec<u8>, ManifestFault> {
        let length = self.u16()?;
        Ok(self.take(usize::from(length))?.to_vec())
    }

    fn algorithm(&mut self) -> Result<ChecksumAlgorithm, ManifestFault> {
        ChecksumAlgorithm::from_code(self.u8()?).ok_or(ManifestFault::Code)
    }

    fn digest(&mut self, algorithm: ChecksumAlgorithm) -> Result<Digest, ManifestFault> {
        Digest::new(algorithm, self.take(algorithm.digest_bytes())?).ok_or(ManifestFault::Short)
    }

    fn etag(&mut self) -> Result<ETag, ManifestFault> {
        let (kind, value, suffix) = (self.u8()?, self.array()?, self.u16()?);
        match (kind, suffix) {
            (1, 0) => Ok(ETag::Md5(Md5(value))),
            (2, parts) => Ok(ETag::Multipart(Md5(value), parts)),
            (3, 0) => Ok(ETag::Opaque(value)),
            (1 | 3, _) => Err(ManifestFault::Suffix),
            _ => Err(ManifestFault::Code),
        }
    }
}
