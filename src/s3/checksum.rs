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
        let Self { content_md5, .. } = Self::parse_md5_alone(request)?;
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

    /// Only Content-MD5, for CompleteMultipartUpload: its x-amz-checksum-* are the object's, not the document's.
    pub fn parse_md5_alone(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let content_md5 = request.text("content-md5")?.map(|text| parse_md5(&text)).transpose()?;
        Ok(Self { content_md5, checksum: BodyChecksum::None })
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
        if request.is_hoisted(header) && value == of_nothing(algorithm) {
            continue;
        }
        if found.replace((algorithm, value)).is_some() {
            return Err(S3Fault::SeveralChecksums);
        }
    }
    Ok(found)
}

/// The checksum of an empty body. The SDK for JavaScript, from 3.729 on, signs it into the URL of every presigned upload,
/// there being no body yet (aws-sdk-js-v3#6994): in a query it says nothing about the body that comes.
const fn of_nothing(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => "AAAAAA==",
        ChecksumAlgorithm::Crc64Nvme => "AAAAAAAAAAA=",
        ChecksumAlgorithm::Sha1 => "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        ChecksumAlgorithm::Sha256 => "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    }
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

#[cfg(test)]
mod tests {
    use super::{
        BodyChecksum, BodyChecksums, MultipartChecksum, ObjectChecksumClaim, allows, checksum_text, default_kind,
        of_nothing, parse_digest,
    };
    use crate::base::{ChecksumAlgorithm, ChecksumType, ObjectChecksum};
    use crate::s3::S3Fault;
    use crate::s3::sample::read;

    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    use ChecksumType::{Composite, FullObject};

    const PUT: &str = "PUT /bucket/key";
    const CRC32: (&str, &str) = ("x-amz-checksum-crc32", "NhCmhg==");

    fn body(line: &str, headers: &[(&str, &str)]) -> Result<BodyChecksum, S3Fault> {
        read(line, headers, BodyChecksums::parse).map(|checksums| checksums.checksum)
    }

    fn declared() -> Result<BodyChecksum, S3Fault> {
        Ok(BodyChecksum::Declared(parse_digest(Crc32, CRC32.1).expect("a value")))
    }

    #[test]
    fn a_checksum_comes_by_header_trailer_or_query() {
        assert_eq!(body(PUT, &[]), Ok(BodyChecksum::None));
        assert_eq!(body(PUT, &[CRC32]), declared());
        assert_eq!(body("PUT /bucket/key?x-amz-checksum-crc32=NhCmhg%3D%3D", &[]), declared());
        assert_eq!(body(PUT, &[("x-amz-trailer", "X-Amz-Checksum-Sha256")]), Ok(BodyChecksum::Trailer(Sha256)));
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(body(PUT, &[("x-amz-trailer", algorithm.header())]), Ok(BodyChecksum::Trailer(algorithm)));
        }
    }

    #[test]
    fn more_than_one_checksum_is_refused() {
        let sha1 = ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(body(PUT, &[CRC32, sha1]), Err(S3Fault::SeveralChecksums));
        assert_eq!(body(PUT, &[CRC32, ("x-amz-trailer", "x-amz-checksum-crc32")]), Err(S3Fault::SeveralChecksums));
        let two = ("x-amz-trailer", "x-amz-checksum-crc32, x-amz-checksum-sha1");
        assert_eq!(body(PUT, &[two]), Err(S3Fault::SeveralChecksums));
    }

    #[test]
    fn a_checksum_in_query_and_header_must_agree() {
        let line = "PUT /bucket/key?x-amz-checksum-crc32=NhCmhg%3D%3D";
        assert_eq!(body(line, &[CRC32]), declared());
        let other = body(line, &[("x-amz-checksum-crc32", "AAAAAA==")]);
        assert!(matches!(other, Err(S3Fault::ConflictingValues { .. })));
    }

    #[test]
    fn the_checksum_of_no_body_in_a_presigned_url_says_nothing() {
        let hoisted = "PUT /bucket/key?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32";
        assert_eq!(body(hoisted, &[]), Ok(BodyChecksum::None));
        let sent = ("x-amz-checksum-crc32", "AAAAAA==");
        let said = BodyChecksum::Declared(parse_digest(Crc32, sent.1).expect("a value"));
        assert_eq!(body(PUT, &[sent]), Ok(said), "in a header it is meant");
        for algorithm in ChecksumAlgorithm::ALL {
            assert!(parse_digest(algorithm, of_nothing(algorithm)).is_some());
        }
    }

    #[test]
    fn algorithms_that_are_not_computed_are_refused_by_name() {
        for name in ["sha512", "md5", "xxhash64", "xxhash3", "xxhash128"] {
            let header = format!("x-amz-checksum-{name}");
            let fault = Err(S3Fault::UnsupportedChecksum { name: name.to_owned() });
            assert_eq!(body(PUT, &[(&header, "AAAA")]), fault);
            assert_eq!(body(PUT, &[("x-amz-trailer", &header)]), fault);
            assert_eq!(body(PUT, &[("x-amz-sdk-checksum-algorithm", name)]), fault);
        }
    }

    #[test]
    fn values_of_another_length_or_alphabet_are_refused() {
        for value in ["", "AAAA", "NhCmhg", "NhCmhg= =", "!!!!!!==", "AAAAAAAAAAA=", "NhCmhg==-2"] {
            let fault = body(PUT, &[("x-amz-checksum-crc32", value)]);
            assert_eq!(fault, Err(S3Fault::InvalidChecksumValue { header: "x-amz-checksum-crc32".into() }), "{value}");
        }
        for trailer in ["x-amz-meta-a", "x-amz-checksum-type", "content-md5", "crc32"] {
            let fault = body(PUT, &[("x-amz-trailer", trailer)]);
            assert_eq!(fault, Err(S3Fault::UnsupportedTrailer { name: trailer.to_owned() }));
        }
    }

    #[test]
    fn the_named_algorithm_must_be_the_one_that_is_sent() {
        let named = |name| ("x-amz-sdk-checksum-algorithm", name);
        assert_eq!(body(PUT, &[CRC32, named("CRC32")]), declared());
        assert_eq!(body(PUT, &[CRC32, named("SHA256")]), Err(S3Fault::ChecksumAlgorithmMismatch));
        assert_eq!(body(PUT, &[named("CRC32")]), Err(S3Fault::ChecksumMissing));
        // A presigner's hint: whoever uses the URL may send no checksum at all.
        assert_eq!(body("PUT /bucket/key?x-amz-sdk-checksum-algorithm=CRC32", &[]), Ok(BodyChecksum::None));
    }

    #[test]
    fn content_md5_is_base64_of_sixteen_bytes() {
        let md5 = |value| read(PUT, &[("content-md5", value)], BodyChecksums::parse).map(|sums| sums.content_md5);
        assert!(md5("1B2M2Y8AsgTpgAmY7PhCfg==").is_ok_and(|md5| md5.is_some()));
        for value in ["", "d41d8cd98f00b204e9800998ecf8427e", "1B2M2Y8AsgTpgAmY7PhC", "1B2M2Y8AsgTpgAmY7PhCfg"] {
            assert_eq!(md5(value), Err(S3Fault::InvalidContentMd5 { value: value.to_owned() }));
        }
    }

    #[test]
    fn delete_objects_needs_one() {
        let delete = |headers: &[(&str, &str)]| read("POST /bucket?delete", headers, BodyChecksums::parse_required);
        assert_eq!(delete(&[]), Err(S3Fault::BodyChecksumMissing));
        assert!(delete(&[CRC32]).is_ok());
        assert!(delete(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")]).is_ok());
        assert!(delete(&[("x-amz-trailer", "x-amz-checksum-crc32")]).is_ok());
    }

    #[test]
    fn the_type_matrix_of_multipart_uploads() {
        for (algorithm, composite, full_object, default) in [
            (Crc32, true, true, Composite),
            (Crc32c, true, true, Composite),
            (Crc64Nvme, false, true, FullObject),
            (Sha1, true, false, Composite),
            (Sha256, true, false, Composite),
        ] {
            assert_eq!((allows(algorithm, Composite), allows(algorithm, FullObject)), (composite, full_object));
            assert_eq!(default_kind(algorithm), default);
            assert!(allows(algorithm, default));
        }
        let create = |headers: &[(&str, &str)]| read("POST /bucket/key?uploads", headers, MultipartChecksum::parse);
        let algorithm = |name| ("x-amz-checksum-algorithm", name);
        let kind = |name| ("x-amz-checksum-type", name);
        assert_eq!(create(&[]), Ok(None));
        assert_eq!(create(&[algorithm("CRC32")]), Ok(Some(MultipartChecksum { algorithm: Crc32, kind: Composite })));
        let full = Ok(Some(MultipartChecksum { algorithm: Crc32, kind: FullObject }));
        assert_eq!(create(&[algorithm("CRC32"), kind("FULL_OBJECT")]), full);
        let refused = Err(S3Fault::ChecksumTypeNotSupported { algorithm: Sha256, kind: FullObject });
        assert_eq!(create(&[algorithm("SHA256"), kind("FULL_OBJECT")]), refused);
        assert_eq!(create(&[kind("FULL_OBJECT")]), Err(S3Fault::ChecksumTypeWithoutAlgorithm));
        assert!(matches!(create(&[algorithm("CRC32"), kind("HALF")]), Err(S3Fault::InvalidArgument { .. })));
        assert!(matches!(create(&[algorithm("SHA512")]), Err(S3Fault::UnsupportedChecksum { .. })));
    }

    #[test]
    fn a_composite_value_carries_its_number_of_parts() {
        let digest = parse_digest(Crc32, CRC32.1).expect("a value");
        let text = |kind, parts| checksum_text(&ObjectChecksum { digest, kind, parts });
        assert_eq!(text(FullObject, 0), "NhCmhg==");
        assert_eq!(text(Composite, 12), "NhCmhg==-12");
    }

    #[test]
    fn the_claim_of_a_complete_may_be_composite() {
        let claim = |value| {
            let headers = [("x-amz-checksum-crc32", value)];
            read("POST /bucket/key?uploadId=u", &headers, ObjectChecksumClaim::parse)
        };
        let parts = |value| claim(value).expect("sound").expect("there").parts;
        assert_eq!(parts("NhCmhg=="), None);
        assert_eq!(parts("NhCmhg==-3"), Some(3));
        for value in ["NhCmhg==-", "NhCmhg==-0", "NhCmhg==-10001", "NhCmhg==-x", "NhCmhg==-1-1", "-1"] {
            assert!(matches!(claim(value), Err(S3Fault::InvalidChecksumValue { .. })), "{value}");
        }
    }
}
