//! What can be wrong, by whose fault: [`FormatError`] is about bytes that were stored, [`SealError`] about the caller.

/// Stored bytes are refused. Nothing unverified has been released when one of these is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No trailer of ours at the end: a foreign object. Everything else below is damage or an attack.
    #[error("not an object of ours: it does not end in a trailer")]
    NotOurs,
    /// A version that this program does not read.
    #[error("object format version {0} is not known")]
    Version(u8),
    /// A wrap scheme that this version does not have.
    #[error("wrap scheme {0} is not known")]
    Scheme(u8),
    /// Bytes that must be zero are not.
    #[error("padding that must be zero is not")]
    Padding,
    /// A wrapped DEK whose length or key version does not fit its scheme.
    #[error("the wrapped key does not fit its scheme")]
    Wrap,
    /// The trailer's lengths do not add up to the stored size.
    #[error("the trailer's lengths do not add up to the stored size")]
    StoredLength,
    /// The manifest is longer than allowed, or its stored length is one that sealing never yields.
    #[error("the manifest has an impossible length")]
    ManifestLength,
    /// The wrapped key was not made with this key, for this name and body.
    #[error("the wrapped key does not open under this key and name")]
    Unwrap,
    /// The trailer's HMAC does not match: edited, or bound to another name, manifest or body.
    #[error("the trailer's authentication code does not match")]
    TrailerMac,
    /// The manifest does not open.
    #[error("the manifest does not open")]
    ManifestSeal,
    /// The manifest opens and says something that it must not.
    #[error("the manifest is malformed: {0}")]
    Manifest(#[from] ManifestFault),
    /// Trailer, manifest and part table disagree about lengths.
    #[error("trailer, manifest and part table disagree about lengths")]
    Lengths,
    /// A stored part begins with another salt or commitment than the manifest says: another attempt, or damage.
    #[error("part {part} is not the one that the manifest names")]
    PartHeader {
        /// The client's part number, 0 for a single PUT.
        part: u16,
    },
    /// A segment's tag does not match.
    #[error("segment {index} of part {part} does not open")]
    Segment {
        /// The client's part number, 0 for a single PUT.
        part: u16,
        /// Which segment of the part, from 0.
        index: u64,
    },
    /// The stored bytes ended before everything promised was there.
    #[error("the stored bytes ended early")]
    Truncated,
    /// More stored bytes than were asked for.
    #[error("more stored bytes than were asked for")]
    Excess,
    /// A sealed record does not open under this key and context.
    #[error("a sealed record does not open")]
    Record,
}

/// The caller asks for something that the format does not allow. No object comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The output has no room for what must be written in one piece.
    #[error("the output buffer is too small")]
    BufferTooSmall,
    /// More plaintext than one part can hold.
    #[error("the part is longer than the format allows")]
    TooLong,
    /// The part has been finished; nothing more can be added.
    #[error("the part is already finished")]
    Finished,
    /// A part number above 10,000.
    #[error("part number {0} is out of range")]
    PartNumber(u16),
    /// The manifest cannot be sealed as it is.
    #[error("the manifest is malformed: {0}")]
    Manifest(#[from] ManifestFault),
    /// A wrapped DEK that does not fit its scheme, or is longer than the trailer has room for.
    #[error("the wrapped key does not fit the trailer")]
    Wrap,
}

/// What a manifest must not say; the same rules when it is written and when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// Another manifest version.
    #[error("its version is not known")]
    Version,
    /// It ends inside a field.
    #[error("it ends inside a field")]
    Short,
    /// Bytes after the last field.
    #[error("bytes follow the last field")]
    Trailing,
    /// More than 4 MiB, or a field longer than its length field can say.
    #[error("it is too long")]
    TooLong,
    /// A code (ETag kind, algorithm, type, header) that this version does not have.
    #[error("a code is not known")]
    Code,
    /// A suffix or count that does not fit its kind.
    #[error("a suffix or count does not fit its kind")]
    Suffix,
    /// Entries that must rise strictly do not, or one is there twice.
    #[error("entries are out of order or there twice")]
    Order,
    /// No part, too many parts, or numbers that are neither a single 0 nor strictly rising in 1..=10000.
    #[error("the part numbers break the rules")]
    PartNumbers,
    /// Parts that do not carry the same digests, or a single PUT's part that carries any.
    #[error("the parts' digests break the rules")]
    PartDigests,
    /// Part lengths that do not add up to the plaintext length, or overflow.
    #[error("the part lengths do not add up")]
    PartLengths,
    /// A metadata name of no bytes.
    #[error("a metadata name is empty")]
    EmptyName,
}
