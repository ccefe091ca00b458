//! The manifest: everything about an object that is not its bytes, sealed behind the body. Values and rules here; the
//! bytes are in `manifest_wire`.

use super::cobblestone::Salt;
use super::error::{FormatError, ManifestFault, SealError};
use super::manifest_wire as wire;
use crate::base::limits::MAX_PART_NUMBER;
use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, Md5, ObjectChecksum, PrincipalId, Timestamp};

/// Longest manifest, in plaintext bytes, checked before it is fetched: 10,000 parts with every digest take 1.5 MB, and a
/// reader must hold it.
pub const MAX_MANIFEST_BYTES: usize = 4 << 20;

/// Client headers that travel with an object. The code is the place in the manifest's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContentHeader {
    /// `Content-Type`.
    ContentType = 1,
    /// `Content-Encoding`, without `aws-chunked`.
    ContentEncoding = 2,
    /// `Content-Language`.
    ContentLanguage = 3,
    /// `Content-Disposition`.
    ContentDisposition = 4,
    /// `Cache-Control`.
    CacheControl = 5,
    /// `Expires`, as the client wrote it: S3 returns dates that do not parse, too.
    Expires = 6,
    /// `x-amz-website-redirect-location`.
    WebsiteRedirectLocation = 7,
}

impl ContentHeader {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::ContentType,
        Self::ContentEncoding,
        Self::ContentLanguage,
        Self::ContentDisposition,
        Self::CacheControl,
        Self::Expires,
        Self::WebsiteRedirectLocation,
    ];

    /// The HTTP header, in lower case.
    pub const fn header(self) -> &'static str {
        match self {
            Self::ContentType => "content-type",
            Self::ContentEncoding => "content-encoding",
            Self::ContentLanguage => "content-language",
            Self::ContentDisposition => "content-disposition",
            Self::CacheControl => "cache-control",
            Self::Expires => "expires",
            Self::WebsiteRedirectLocation => "x-amz-website-redirect-location",
        }
    }

    /// The code in the manifest.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// From its code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.code() == code)
    }
}

/// One part of the body, as the client sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestPart {
    /// The client's part number; 0 for a single PUT.
    pub number: u16,
    /// Its length in plaintext bytes.
    pub plaintext_bytes: u64,
    /// The salt of the attempt that was accepted.
    pub salt: Salt,
    /// Its MD5. Absent in a single PUT (the object's ETag says it) and where a bucket asks for none.
    pub md5: Option<Md5>,
    /// Its additional checksums, at most one per algorithm, the same algorithms in every part. None in a single PUT
    /// (the object's checksums say it).
    pub digests: Vec<Digest>,
}

impl ManifestPart {
    /// The one part of a single PUT.
    pub const fn single(plaintext_bytes: u64, salt: Salt) -> Self {
        Self { number: 0, plaintext_bytes, salt, md5: None, digests: Vec::new() }
    }
}

/// The facts of an object. No Debug: nearly all of it is the client's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Length of the object in plaintext bytes: the sum of its parts.
    pub plaintext_bytes: u64,
    /// What clients see as its ETag.
    pub etag: ETag,
    /// Its checksums, at most one per algorithm.
    pub checksums: Vec<ObjectChecksum>,
    /// At least one part: a single one numbered 0, or numbers rising strictly in 1..=10000.
    pub parts: Vec<ManifestPart>,
    /// Headers of the object, each at most once; at most 65,535 bytes each.
    pub content_headers: Vec<(ContentHeader, Vec<u8>)>,
    /// `x-amz-meta-*` without the prefix, in lower case, each name at most once; at most 65,535 bytes each.
    pub user_metadata: Vec<(Vec<u8>, Vec<u8>)>,
    /// Who owns it.
    pub owner: PrincipalId,
    /// When it was made, by our clock. What clients see as Last-Modified is the upstream's.
    pub created: Timestamp,
}

impl Manifest {
    /// Its bytes: lists that have an order are written in it, whatever the order here.
    pub fn encode(&self) -> Result<Vec<u8>, SealError> {
        let sorted = self.sorted();
        sorted.check()?;
        Ok(wire::encode(&sorted)?)
    }

    /// From its bytes. Anything that [`Manifest::encode`] would not have written is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let manifest = wire::decode(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The length of [`Manifest::encode`]'s result, in bytes.
    pub fn encoded_len(&self) -> usize {
        let first = self.parts.first();
        let checksums: Vec<_> = self.checksums.iter().map(|checksum| checksum.digest.algorithm()).collect();
        let digests: Vec<_> = first.iter().flat_map(|part| &part.digests).map(Digest::algorithm).collect();
        Self::encoded_len_for(&ManifestShape {
            checksums: &checksums,
            parts: self.parts.len(),
            part_md5: first.is_some_and(|part| part.md5.is_some()),
            part_digests: &digests,
            content_headers: &self.content_headers,
            user_metadata: &self.user_metadata,
        })
    }

    /// The length of a manifest of this shape, known before the first byte of the body.
    pub fn encoded_len_for(shape: &ManifestShape<'_>) -> usize {
        wire::encoded_len(shape)
    }

    fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.checksums.sort_by_key(|checksum| checksum.digest.algorithm().code());
        for part in &mut sorted.parts {
            part.digests.sort_by_key(|digest| digest.algorithm().code());
        }
        sorted.content_headers.sort();
        sorted.user_metadata.sort();
        sorted
    }

    /// The rules that hold in every manifest, written or read.
    fn check(&self) -> Result<(), ManifestFault> {
        self.check_etag_and_checksums()?;
        self.check_parts()?;
        rising(self.content_headers.iter().map(|(header, _)| header))?;
        rising(self.user_metadata.iter().map(|(name, _)| name))?;
        if self.user_metadata.iter().any(|(name, _)| name.is_empty()) {
            return Err(ManifestFault::EmptyName);
        }
        Ok(())
    }

    fn check_etag_and_checksums(&self) -> Result<(), ManifestFault> {
        let counts = 1..=MAX_PART_NUMBER;
        if let ETag::Multipart(_, parts) = self.etag
            && !counts.contains(&parts)
        {
            return Err(ManifestFault::Suffix);
        }
        for checksum in &self.checksums {
            let fits = match checksum.kind {
                ChecksumType::FullObject => checksum.parts == 0,
                ChecksumType::Composite => counts.contains(&checksum.parts),
            };
            if !fits {
                return Err(ManifestFault::Suffix);
            }
        }
        rising(self.checksums.iter().map(|checksum| checksum.digest.algorithm().code()))
    }

    fn check_parts(&self) -> Result<(), ManifestFault> {
        let first = self.parts.first().ok_or(ManifestFault::PartNumbers)?;
        if first.number == 0 {
            if self.parts.len() != 1 {
                return Err(ManifestFault::PartNumbers);
            }
            if first.md5.is_some() || !first.digests.is_empty() {
                return Err(ManifestFault::PartDigests);
            }
        }
        let rises = self.parts.windows(2).all(|pair| pair[0].number < pair[1].number);
        if !rises || self.parts.last().is_some_and(|last| last.number > MAX_PART_NUMBER) {
            return Err(ManifestFault::PartNumbers);
        }
        rising(first.digests.iter().map(|digest| digest.algorithm().code())).map_err(|_| ManifestFault::PartDigests)?;
        let mut sum = 0_u64;
        for part in &self.parts {
            let algorithms = part.digests.iter().map(Digest::algorithm);
            if part.md5.is_some() != first.md5.is_some() || !algorithms.eq(first.digests.iter().map(Digest::algorithm))
            {
                return Err(ManifestFault::PartDigests);
            }
            sum = sum.checked_add(part.plaintext_bytes).ok_or(ManifestFault::PartLengths)?;
        }
        if sum == self.plaintext_bytes { Ok(()) } else { Err(ManifestFault::PartLengths) }
    }
}

fn rising<T: Ord>(values: impl Iterator<Item = T>) -> Result<(), ManifestFault> {
    if values.is_sorted_by(|one, next| one < next) { Ok(()) } else { Err(ManifestFault::Order) }
}

/// What the length of a manifest depends on: nothing that is only known after the body.
#[derive(Clone, Copy)]
pub struct ManifestShape<'a> {
    /// Algorithms of the object's checksums.
    pub checksums: &'a [ChecksumAlgorithm],
    /// How many parts.
    pub parts: usize,
    /// Whether parts carry their MD5.
    pub part_md5: bool,
    /// Algorithms of each part's digests.
    pub part_digests: &'a [ChecksumAlgorithm],
    /// The headers, with their values.
    pub content_headers: &'a [(ContentHeader, Vec<u8>)],
    /// The user metadata, with values.
    pub user_metadata: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> ManifestShape<'a> {
    /// The shape of a single PUT.
    pub const fn single_put(
        checksums: &'a [ChecksumAlgorithm],
        content_headers: &'a [(ContentHeader, Vec<u8>)],
        user_metadata: &'a [(Vec<u8>, Vec<u8>)],
    ) -> Self {
        Self { checksums, parts: 1, part_md5: false, part_digests: &[], content_headers, user_metadata }
    }
}
