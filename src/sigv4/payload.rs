//! What a request promises about its body: parsed from `x-amz-content-sha256` at the door, in the open until the
//! signature is verified, then a [`PayloadBinding`]. Nobody looks at that header again.

use std::fmt;

use http::HeaderMap;

use super::chunked::ChunkDecoder;
use super::fault::SigV4Fault;
use super::signing::{ChunkChain, lower_hex_32};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const STREAMING_ASYMMETRIC_PREFIX: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
/// S3 takes checksums as trailers and nothing else.
const CHECKSUM_PREFIX: &str = "x-amz-checksum-";

/// What a body must prove before it is committed. The mode says only how the body is hashed and framed: the request's
/// signature has been verified for every one of them.
#[derive(Clone)]
pub enum PayloadBinding {
    /// The whole body has this SHA-256; it is not framed.
    Sha256([u8; 32]),
    /// The body is bound by nothing but checksums; it is not framed.
    Unsigned,
    /// aws-chunked; every chunk is signed.
    SignedChunks {
        /// Where the chunks' signatures start.
        chain: ChunkChain,
        /// The length of the payload in bytes, exactly.
        decoded_length: u64,
    },
    /// aws-chunked; every chunk and the trailer are signed.
    SignedChunksTrailer {
        /// Where the chunks' signatures start.
        chain: ChunkChain,
        /// The length of the payload in bytes, exactly.
        decoded_length: u64,
        /// What must follow the last chunk.
        trailer: TrailerRule,
    },
    /// aws-chunked; only framed, with a checksum as trailer.
    UnsignedChunksTrailer {
        /// The length of the payload in bytes, exactly.
        decoded_length: u64,
        /// What must follow the last chunk.
        trailer: TrailerRule,
    },
}

impl PayloadBinding {
    /// The decoder of a framed body; `None` when the body is not framed.
    pub fn decoder(&self) -> Option<ChunkDecoder> {
        match self {
            Self::Sha256(_) | Self::Unsigned => None,
            Self::SignedChunks { chain, decoded_length } => {
                Some(ChunkDecoder::signed(chain.clone(), *decoded_length, TrailerRule::None))
            }
            Self::SignedChunksTrailer { chain, decoded_length, trailer } => {
                Some(ChunkDecoder::signed(chain.clone(), *decoded_length, trailer.clone()))
            }
            Self::UnsignedChunksTrailer { decoded_length, trailer } => {
                Some(ChunkDecoder::unsigned(*decoded_length, trailer.clone()))
            }
        }
    }

    /// The payload's length in bytes where the framing announces it.
    pub const fn decoded_length(&self) -> Option<u64> {
        match self {
            Self::Sha256(_) | Self::Unsigned => None,
            Self::SignedChunks { decoded_length, .. }
            | Self::SignedChunksTrailer { decoded_length, .. }
            | Self::UnsignedChunksTrailer { decoded_length, .. } => Some(*decoded_length),
        }
    }

    /// The header name of the checksum that comes as a trailer.
    pub fn trailer(&self) -> Option<&str> {
        match self {
            Self::SignedChunksTrailer { trailer, .. } | Self::UnsignedChunksTrailer { trailer, .. } => trailer.name(),
            Self::Sha256(_) | Self::Unsigned | Self::SignedChunks { .. } => None,
        }
    }
}

/// The hash of a body is a secret like the body: Debug shows the mode only.
impl fmt::Debug for PayloadBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Sha256(..)",
            Self::Unsigned => "Unsigned",
            Self::SignedChunks { .. } => "SignedChunks",
            Self::SignedChunksTrailer { .. } => "SignedChunksTrailer",
            Self::UnsignedChunksTrailer { .. } => "UnsignedChunksTrailer",
        })
    }
}

/// Which trailer must follow the last chunk: exactly the announced one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrailerRule {
    /// No trailer was announced, none may come. (With a TRAILER token too: S3 then computes CRC64NVME itself.)
    None,
    /// The header name, in lower case, from `x-amz-trailer`.
    Checksum(String),
}

impl TrailerRule {
    /// The announced name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Checksum(name) => Some(name),
        }
    }
}

/// A value of `x-amz-content-sha256`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadToken {
    Sha256([u8; 32]),
    Unsigned,
    SignedChunks,
    SignedChunksTrailer,
    UnsignedChunksTrailer,
}

impl PayloadToken {
    fn parse(value: &str) -> Result<Self, SigV4Fault> {
        match value {
            UNSIGNED => Ok(Self::Unsigned),
            STREAMING_SIGNED => Ok(Self::SignedChunks),
            STREAMING_SIGNED_TRAILER => Ok(Self::SignedChunksTrailer),
            STREAMING_UNSIGNED_TRAILER => Ok(Self::UnsignedChunksTrailer),
            _ if value.starts_with(STREAMING_ASYMMETRIC_PREFIX) => Err(SigV4Fault::AsymmetricSignature),
            _ => lower_hex_32(value.as_bytes()).map(Self::Sha256).ok_or(SigV4Fault::ContentSha256Invalid),
        }
    }
}

/// What the request says of its body, not yet verified.
#[derive(Clone)]
pub(super) struct DeclaredPayload {
    token: PayloadToken,
    /// The token as it was sent: a line of the canonical request.
    line: String,
    decoded_length: u64,
    trailer: TrailerRule,
}

impl DeclaredPayload {
    /// `value` is the value of `x-amz-content-sha256`, from wherever this request carries it.
    pub(super) fn parse(value: Option<String>, headers: &HeaderMap) -> Result<Self, SigV4Fault> {
        let line = value.unwrap_or_else(|| UNSIGNED.to_owned());
        let token = PayloadToken::parse(&line)?;
        let (framed, may_trail) = match token {
            PayloadToken::Sha256(_) | PayloadToken::Unsigned => (false, false),
            PayloadToken::SignedChunks => (true, false),
            PayloadToken::SignedChunksTrailer | PayloadToken::UnsignedChunksTrailer => (true, true),
        };
        // Framing is told by the token alone: Content-Encoding is optional, often unsigned, and minio-go never sends it.
        if !framed && names_aws_chunked(headers) {
            return Err(SigV4Fault::FramingWithoutStreamingToken);
        }
        let trailer = declared_trailer(headers)?;
        if !may_trail && trailer != TrailerRule::None {
            return Err(SigV4Fault::TrailerUnsupported);
        }
        let decoded_length = if framed { decoded_length(headers)? } else { 0 };
        Ok(Self { token, line, decoded_length, trailer })
    }

    /// The payload lines that the signature may be over, the declared one first. A presigned URL is usually signed over
    /// UNSIGNED-PAYLOAD, whatever hash comes with the body: the hash is enforced all the same.
    pub(super) fn lines(&self, presigned: bool) -> impl Iterator<Item = &str> {
        let fallback = (presigned && self.token != PayloadToken::Unsigned).then_some(UNSIGNED);
        std::iter::once(self.line.as_str()).chain(fallback)
    }

    /// What the body must prove, now that the request's signature is verified.
    pub(super) fn bind(&self, chain: ChunkChain) -> PayloadBinding {
        let (decoded_length, trailer) = (self.decoded_length, self.trailer.clone());
        match self.token {
            PayloadToken::Sha256(hash) => PayloadBinding::Sha256(hash),
            PayloadToken::Unsigned => PayloadBinding::Unsigned,
            PayloadToken::SignedChunks => PayloadBinding::SignedChunks { chain, decoded_length },
            PayloadToken::SignedChunksTrailer => PayloadBinding::SignedChunksTrailer { chain, decoded_length, trailer },
            PayloadToken::UnsignedChunksTrailer => PayloadBinding::UnsignedChunksTrailer { decoded_length, trailer },
        }
    }
}

/// The only value of a header; `Err` when it is repeated or no visible ASCII.
pub(super) fn only_value<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unusable> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Unusable),
        (Some(_), Some(_)) => Err(Unusable),
    }
}

/// A header that must have one value has several, or one that is no text.
pub(super) struct Unusable;

fn names_aws_chunked(headers: &HeaderMap) -> bool {
    headers.get_all(http::header::CONTENT_ENCODING).iter().any(|value| {
        value.as_bytes().split(|b| *b == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
    })
}

fn decoded_length(headers: &HeaderMap) -> Result<u64, SigV4Fault> {
    let value = only_value(headers, "x-amz-decoded-content-length").map_err(|_| SigV4Fault::DecodedLengthInvalid)?;
    let text = value.ok_or(SigV4Fault::DecodedLengthMissing)?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(SigV4Fault::DecodedLengthInvalid)
}

fn declared_trailer(headers: &HeaderMap) -> Result<TrailerRule, SigV4Fault> {
    let value = only_value(headers, "x-amz-trailer").map_err(|_| SigV4Fault::TrailerUnsupported)?;
    let Some(value) = value else { return Ok(TrailerRule::None) };
    let name = value.trim().to_ascii_lowercase();
    let algorithm = name.strip_prefix(CHECKSUM_PREFIX).ok_or(SigV4Fault::TrailerUnsupported)?;
    let sound = !algorithm.is_empty() && algorithm.bytes().all(|b| b.is_ascii_alphanumeric());
    sound.then_some(TrailerRule::Checksum(name)).ok_or(SigV4Fault::TrailerUnsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";

    fn declared(token: &str, headers: &[(&'static str, &'static str)]) -> Result<DeclaredPayload, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        DeclaredPayload::parse(Some(token.to_owned()), &map).map_err(|fault| format!("{fault:?}"))
    }

    fn refused(token: &str, headers: &[(&'static str, &'static str)]) -> String {
        declared(token, headers).err().unwrap_or_default()
    }

    #[test]
    fn hash_has_one_spelling() {
        assert!(declared(HASH, &[]).is_ok());
        for token in [&HASH.to_uppercase(), &HASH[..63], &format!("{HASH}0"), "", "unsigned-payload", "STREAMING-"] {
            assert_eq!(refused(token, &[]), "ContentSha256Invalid", "{token}");
        }
    }

    #[test]
    fn ecdsa_payload_is_never_taken_for_another() {
        for token in ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"] {
            assert_eq!(refused(token, &[("x-amz-decoded-content-length", "1")]), "AsymmetricSignature");
        }
    }

    #[test]
    fn aws_chunked_encoding_without_a_streaming_token_is_refused() {
        for token in [UNSIGNED, HASH] {
            for coding in ["aws-chunked", "gzip, AWS-Chunked"] {
                assert_eq!(refused(token, &[("content-encoding", coding)]), "FramingWithoutStreamingToken");
            }
            assert!(declared(token, &[("content-encoding", "gzip")]).is_ok());
        }
    }

    #[test]
    fn framing_needs_no_content_encoding() {
        assert!(declared(STREAMING_SIGNED, &[("x-amz-decoded-content-length", "5")]).is_ok());
    }

    #[test]
    fn streaming_needs_a_decoded_length() {
        for token in [STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER] {
            assert_eq!(refused(token, &[]), "DecodedLengthMissing");
            for length in ["", "-1", "+1", "1.0", "0x1", "99999999999999999999", "1 "] {
                let found = refused(token, &[("x-amz-decoded-content-length", length)]);
                assert_eq!(found, "DecodedLengthInvalid", "{length:?}");
            }
            let twice = [("x-amz-decoded-content-length", "1"), ("x-amz-decoded-content-length", "1")];
            assert_eq!(refused(token, &twice), "DecodedLengthInvalid");
        }
    }

    #[test]
    fn one_checksum_as_trailer_in_any_case() {
        let length = ("x-amz-decoded-content-length", "5");
        let sound = declared(STREAMING_UNSIGNED_TRAILER, &[length, ("x-amz-trailer", "X-Amz-Checksum-CRC32")]);
        assert_eq!(sound.expect("accepted").trailer.name(), Some("x-amz-checksum-crc32"));
        for trailer in ["x-amz-checksum-crc32,x-amz-checksum-sha1", "x-amz-meta-a", "x-amz-checksum-", "", "a:b"] {
            let found = refused(STREAMING_UNSIGNED_TRAILER, &[length, ("x-amz-trailer", trailer)]);
            assert_eq!(found, "TrailerUnsupported", "{trailer}");
        }
    }

    /// A trailer that the mode does not have would be a checksum that nobody checks.
    #[test]
    fn trailer_without_a_trailer_token_is_refused() {
        let headers = [("x-amz-decoded-content-length", "5"), ("x-amz-trailer", "x-amz-checksum-crc32")];
        for token in [STREAMING_SIGNED, UNSIGNED, HASH] {
            assert_eq!(refused(token, &headers), "TrailerUnsupported", "{token}");
        }
    }
}
