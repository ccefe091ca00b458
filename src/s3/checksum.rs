//! Checksums that a client declares, and how they are written: headers, trailers, the multipart type matrix.
//!
//! Ten algorithms exist, five are computed here; the others are refused by name, because a checksum that is accepted
//! and not verified is a lie. Digests are of plaintext: no Debug shows them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, Md5, ObjectChecksum, PartNumber};

use super::fault::S3Fault;
use super::headers::RequestView;

const PREFIX: &str = "x-amz-checksum-";
/// Headers with the prefix that carry no value of a checksum.
const NOT_VALUES: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// The checksum of one body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyChecksum {
    /// None: S3 computes CRC64NVME of its own.
    #[default]
    None,
    /// In a header; compare before anything is published.
    Declared(Digest),
    /// Follows the body, as a trailer of this algorithm's name.
    Trailer(ChecksumAlgorithm),
}

/// Everything that a request says about the digest of its body, besides x-amz-content-sha256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyChecksums {
    /// Content-MD5.
    pub content_md5: Option<Md5>,
    /// x-amz-checksum-*, by header or trailer.
    pub checksum: BodyChecksum,
}

impl BodyChecksums {
    /// Reads them. At most one checksum, by header or by trailer.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let content_md5 = request.text("content-md5")?.map(|text| parse_md5(&text)).transpose()?;
        let checksum = match (declared(request)?, trailer(request)?) {
            (Some((algorithm, text)), None) => {
                let invalid = || S3Fault::InvalidChecksumValue { header: algorithm.header().into() };
                BodyChecksum::Declared(parse_digest(algorithm, &text).ok_or_else(invalid)?)
            }
            (None, Some(algorithm)) => BodyChecksum::Trailer(algorithm),
            (None, None) => BodyChecksum::None,
            (Some(_), Some(_)) => return Err(S3Fault::SeveralChecksums),
        };
        match (named(request)?, checksum.algorithm()) {
            (Some(named), Some(sent)) if named != sent => return Err(S3Fault::ChecksumAlgorithmMismatch),
            // Presigners leave it in the URL, where it is only a hint to whoever sends the body.
            (Some(_), None) if !request.is_hoisted(NAMED) => return Err(S3Fault::ChecksumMissing),
            _ => {}
        }
        Ok(Self { content_md5, checksum })
    }

    /// As [`Self::parse`], for operations that refuse a body without any.
    pub fn parse_required(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let checksums = Self::parse(request)?;
        if checksums == Self::default() { Err(S3Fault::BodyChecksumMissing) } else { Ok(checksums) }
    }
}

impl BodyChecksum {
    /// Its algorithm.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::None => None,
            Self::Declared(digest) => Some(digest.algorithm()),
            Self::Trailer(algorithm) => Some(*algorithm),
        }
    }
}

const NAMED: &str = "x-amz-sdk-checksum-algorithm";

fn named(request: &RequestView<'_>) -> Result<Option<ChecksumAlgorithm>, S3Fault> {
    request.text(NAMED)?.map(|name| algorithm(&name)).transpose()
}

/// The algorithm of a name, or the fault that names it.
pub(super) fn algorithm(name: &str) -> Result<ChecksumAlgorithm, S3Fault> {
    ChecksumAlgorithm::from_name(name).ok_or_else(|| S3Fault::UnsupportedChecksum { name: name.to_owned() })
}

fn declared(request: &RequestView<'_>) -> Result<Option<(ChecksumAlgorithm, String)>, S3Fault> {
    let mut found = None;
    for header in request.names(PREFIX) {
        if NOT_VALUES.contains(&header) {
            continue;
        }
        let algorithm = algorithm(&header[PREFIX.len()..])?;
        let value = request.text(header)?.unwrap_or_default().into_owned();
        if found.replace((algorithm, value)).is_some() {
            return Err(S3Fault::SeveralChecksums);
        }
    }
    Ok(found)
}

fn trailer(request: &RequestView<'_>) -> Result<Option<ChecksumAlgorithm>, S3Fault> {
    let Some(names) = request.text("x-amz-trailer")? else { return Ok(None) };
    let mut found = None;
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let lower = name.to_ascii_lowercase();
        let unsupported = || S3Fault::UnsupportedTrailer { name: name.to_owned() };
        let value = lower.strip_prefix(PREFIX).filter(|_| !NOT_VALUES.contains(&lower.as_str()));
        if found.replace(algorithm(value.ok_or_else(unsupported)?)?).is_some() {
            return Err(S3Fault::SeveralChecksums);
        }
    }
    Ok(found)
}

/// Content-MD5.
pub fn parse_md5(text: &str) -> Result<Md5, S3Fault> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Md5).ok_or_else(|| S3Fault::InvalidContentMd5 { value: text.to_owned() })
}

/// A digest from its base64; `None` when it is not one of this algorithm.
pub fn parse_digest(algorithm: ChecksumAlgorithm, text: &str) -> Option<Digest> {
    Digest::new(algorithm, &STANDARD.decode(text).ok()?)
}

/// A digest as headers, trailers and XML have it.
pub fn digest_text(digest: &Digest) -> String {
    STANDARD.encode(digest.bytes())
}

/// An object's checksum as headers and XML have it: a composite one with its `-N`, or clients take it for the digest of
/// the whole body and refuse every download (botocore, httpchecksum.py).
pub fn checksum_text(checksum: &ObjectChecksum) -> String {
    match checksum.kind {
        ChecksumType::FullObject => digest_text(&checksum.digest),
        ChecksumType::Composite => format!("{}-{}", digest_text(&checksum.digest), checksum.parts),
    }
}

/// Whether multipart uploads can have a checksum of this type with this algorithm (catalogue 3.3).
pub const fn allows(algorithm: ChecksumAlgorithm, kind: ChecksumType) -> bool {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => true,
        ChecksumAlgorithm::Crc64Nvme => matches!(kind, ChecksumType::FullObject),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => matches!(kind, ChecksumType::Composite),
    }
}

/// The type that a multipart upload has when its client names none.
pub const fn default_kind(algorithm: ChecksumAlgorithm) -> ChecksumType {
    match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumType::FullObject,
        _ => ChecksumType::Composite,
    }
}

/// What CreateMultipartUpload asks for; `None` there is S3's own CRC64NVME over the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartChecksum {
    /// Of the parts, and of the object.
    pub algorithm: ChecksumAlgorithm,
    /// Of the object.
    pub kind: ChecksumType,
}

impl MultipartChecksum {
    /// Reads x-amz-checksum-algorithm and x-amz-checksum-type.
    pub fn parse(request: &RequestView<'_>) -> Result<Option<Self>, S3Fault> {
        let asked = parse_algorithm(request)?;
        match (asked, parse_kind(request)?) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(S3Fault::ChecksumTypeWithoutAlgorithm),
            (Some(algorithm), None) => Ok(Some(Self { algorithm, kind: default_kind(algorithm) })),
            (Some(algorithm), Some(kind)) if allows(algorithm, kind) => Ok(Some(Self { algorithm, kind })),
            (Some(algorithm), Some(kind)) => Err(S3Fault::ChecksumTypeNotSupported { algorithm, kind }),
        }
    }
}

/// x-amz-checksum-algorithm.
pub(super) fn parse_algorithm(request: &RequestView<'_>) -> Result<Option<ChecksumAlgorithm>, S3Fault> {
    request.text("x-amz-checksum-algorithm")?.map(|name| algorithm(&name)).transpose()
}

/// x-amz-checksum-type.
pub(super) fn parse_kind(request: &RequestView<'_>) -> Result<Option<ChecksumType>, S3Fault> {
    let kind = |name: &str| {
        let unknown = || S3Fault::argument("x-amz-checksum-type", name, "The checksum type is unknown.");
        ChecksumType::from_name(name).ok_or_else(unknown)
    };
    request.text("x-amz-checksum-type")?.map(|name| kind(&name)).transpose()
}

/// What CompleteMultipartUpload says of the object's checksum. Whether it is a composite one, the upload knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ObjectChecksumClaim {
    /// The value.
    pub digest: Digest,
    /// The `-N` of a composite value, where the client sent it.
    pub parts: Option<u16>,
}

impl ObjectChecksumClaim {
    /// Reads x-amz-checksum-*, at most one.
    pub fn parse(request: &RequestView<'_>) -> Result<Option<Self>, S3Fault> {
        let Some((algorithm, text)) = declared(request)? else { return Ok(None) };
        let claim = Self::read(algorithm, &text);
        claim.map(Some).ok_or_else(|| S3Fault::InvalidChecksumValue { header: algorithm.header().into() })
    }

    fn read(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        let (value, parts) = match text.split_once('-') {
            Some((value, parts)) => (value, Some(PartNumber::new(parts.parse().ok()?)?.get())),
            None => (text, None),
        };
        Some(Self { digest: parse_digest(algorithm, value)?, parts })
    }
}

impl fmt::Debug for ObjectChecksumClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectChecksumClaim({:?}, {:?})", self.digest, self.parts)
    }
}
