//! What follows the last chunk: at most one checksum, its signature where chunks are signed, a blank line, the end.
//!
//! The AWS SDKs end every line with CRLF. minio-go copies AWS's documentation to the letter: `name:value\n`, CRLF,
//! `x-amz-trailer-signature:..`, CRLF, CRLF, and two blank lines where nothing is signed. Both are taken, nothing else.

use super::chunked::ChunkFault;
use super::signing::Signature;

const SIGNATURE_NAME: &str = "x-amz-trailer-signature";
/// After the block of minio-go's unsigned form there are two.
const MAX_BLANK_LINES: usize = 2;

/// The trailers of a body that has been verified to its end: the decoder makes it only then, so it is the proof.
#[derive(Debug, PartialEq, Eq)]
pub struct Trailers {
    checksum: Option<(String, String)>,
}

impl Trailers {
    pub(super) const fn new(checksum: Option<(String, String)>) -> Self {
        Self { checksum }
    }

    /// The checksum's header name in lower case, and its value as it was sent.
    pub fn checksum(&self) -> Option<(&str, &str)> {
        self.checksum.as_ref().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The lines of the block.
#[derive(Default)]
pub(super) struct TrailerBlock {
    pub(super) checksum: Option<(String, String)>,
    pub(super) signature: Option<Signature>,
}

impl TrailerBlock {
    /// `block` is everything after the line of the 0-chunk, to the end of the body.
    pub(super) fn parse(block: &[u8]) -> Result<Self, ChunkFault> {
        let text = std::str::from_utf8(block).map_err(|_| ChunkFault::MalformedTrailer)?;
        let lines = text.strip_suffix('\n').ok_or(ChunkFault::Truncated)?;
        let lines: Vec<&str> = lines.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        if lines.last().is_some_and(|last| !last.is_empty()) {
            return Err(ChunkFault::Truncated);
        }
        let mut parsed = Self::default();
        let mut blank = 0;
        for line in lines {
            if line.is_empty() {
                blank += 1;
            } else {
                parsed.add(line, blank)?;
            }
        }
        if blank > MAX_BLANK_LINES { Err(ChunkFault::MalformedTrailer) } else { Ok(parsed) }
    }

    fn add(&mut self, line: &str, blank_before: usize) -> Result<(), ChunkFault> {
        let (name, value) = line.split_once(':').ok_or(ChunkFault::MalformedTrailer)?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim_matches(' '));
        let nothing_yet = self.checksum.is_none() && self.signature.is_none();
        if name == SIGNATURE_NAME {
            // After a blank line it can only be minio-go's, and that one has a checksum before it.
            let in_place = self.signature.is_none() && (blank_before == 0 || self.checksum.is_some());
            let signature = Signature::parse(value.as_bytes()).filter(|_| in_place);
            self.signature = Some(signature.ok_or(ChunkFault::MalformedTrailer)?);
        } else {
            let sound = nothing_yet && blank_before == 0 && value.bytes().all(|b| b.is_ascii_graphic());
            self.checksum = Some(sound.then(|| (name, value.to_owned())).ok_or(ChunkFault::MalformedTrailer)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";

    fn parsed(block: &str) -> Result<(Option<String>, bool), ChunkFault> {
        let block = TrailerBlock::parse(block.as_bytes())?;
        Ok((block.checksum.map(|(name, value)| format!("{name}={value}")), block.signature.is_some()))
    }

    #[test]
    fn forms_that_clients_send() {
        let checksum = Some("x-amz-checksum-crc32=AAAAAA==".to_owned());
        let sig = format!("x-amz-trailer-signature:{SIGNATURE}");
        for (block, expected) in [
            ("\r\n".to_owned(), (None, false)),
            ("x-amz-checksum-crc32:AAAAAA==\r\n\r\n".into(), (checksum.clone(), false)),
            ("X-Amz-Checksum-CRC32: AAAAAA== \r\n\r\n".into(), (checksum.clone(), false)),
            (format!("x-amz-checksum-crc32:AAAAAA==\r\n{sig}\r\n\r\n"), (checksum.clone(), true)),
            // minio-go, signed and unsigned
            (format!("x-amz-checksum-crc32:AAAAAA==\n\r\n{sig}\r\n\r\n"), (checksum.clone(), true)),
            ("x-amz-checksum-crc32:AAAAAA==\n\r\n\r\n".into(), (checksum, false)),
        ] {
            assert_eq!(parsed(&block), Ok(expected), "{block:?}");
        }
    }

    #[test]
    fn cut_block_is_truncated() {
        let whole = format!("x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:{SIGNATURE}\r\n\r\n");
        for end in 0..whole.len() - 2 {
            assert_eq!(parsed(&whole[..end]), Err(ChunkFault::Truncated), "{:?}", &whole[..end]);
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let sig = format!("x-amz-trailer-signature:{SIGNATURE}\r\n");
        for block in [
            "no colon\r\n\r\n".to_owned(),
            "x-amz-checksum-crc32:a b\r\n\r\n".into(),
            "x-amz-checksum-crc32:a\rb\r\n\r\n".into(),
            "x-amz-checksum-crc32:A\r\nx-amz-checksum-sha1:B\r\n\r\n".into(),
            "\r\nx-amz-checksum-crc32:A\r\n\r\n".into(),
            "\r\nGET / HTTP/1.1\r\n\r\n".into(),
            "\r\n\r\n\r\n".into(),
            format!("{sig}{sig}\r\n"),
            format!("{sig}x-amz-checksum-crc32:A\r\n\r\n"),
            format!("\r\n{sig}\r\n"),
            format!("x-amz-trailer-signature:{}\r\n\r\n", SIGNATURE.to_uppercase()),
        ] {
            assert_eq!(parsed(&block), Err(ChunkFault::MalformedTrailer), "{block:?}");
        }
        assert!(matches!(TrailerBlock::parse(b"x:\xff\r\n\r\n"), Err(ChunkFault::MalformedTrailer)));
    }
}
