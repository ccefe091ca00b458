//! The line before each chunk: `10000;chunk-signature=<64 hex>\r\n`, or `10000\r\n` where chunks are not signed.

use super::chunked::ChunkFault;
use super::signing::Signature;

/// 16 hex digits, the signature and its name have 98 bytes; nothing else may stand in the line.
const MAX_LINE_BYTES: usize = 128;
const SIGNATURE_PREFIX: &[u8] = b";chunk-signature=";

/// Collects a line out of frames that may end anywhere.
#[derive(Default)]
pub(super) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Takes `frame` up to and with the next line feed; returns how many bytes that were, and whether the line is whole.
    pub(super) fn fill(&mut self, frame: &[u8]) -> Result<(usize, Filled), ChunkFault> {
        let room = MAX_LINE_BYTES - self.0.len();
        let end = frame.iter().take(room).position(|b| *b == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(frame.len().min(room));
        self.0.extend_from_slice(&frame[..taken]);
        match end {
            Some(_) => Ok((taken, Filled::Whole)),
            None if self.0.len() == MAX_LINE_BYTES => Err(ChunkFault::MalformedChunk),
            None => Ok((taken, Filled::Partly)),
        }
    }

    /// The line that was collected; the buffer is empty after it.
    pub(super) fn take(&mut self) -> Result<ChunkLine, ChunkFault> {
        let line = ChunkLine::parse(&self.0).ok_or(ChunkFault::MalformedChunk);
        self.0.clear();
        line
    }
}

/// Whether a line is whole.
#[derive(PartialEq, Eq)]
pub(super) enum Filled {
    Partly,
    Whole,
}

/// What stands before a chunk.
pub(super) struct ChunkLine {
    pub(super) size: u64,
    pub(super) signature: Option<Signature>,
}

impl ChunkLine {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r\n")?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (size, rest) = line.split_at(digits);
        let signature = match rest {
            [] => None,
            _ => Some(Signature::parse(rest.strip_prefix(SIGNATURE_PREFIX)?)?),
        };
        // `from_str_radix` alone would take a sign; there are only digits here, and it refuses none and too many.
        let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        Some(Self { size, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";

    #[test]
    fn size_and_signature() {
        let line = ChunkLine::parse(format!("1FfF;chunk-signature={SIGNATURE}\r\n").as_bytes()).expect("sound");
        assert_eq!((line.size, line.signature.expect("signed").to_hex()), (0x1fff, SIGNATURE.to_owned()));
        let line = ChunkLine::parse(b"0\r\n").expect("sound");
        assert!(line.size == 0 && line.signature.is_none());
        assert_eq!(ChunkLine::parse(b"ffffffffffffffff\r\n").expect("sound").size, u64::MAX);
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "\r\n".to_owned(),
            "5\n".into(),
            "5".into(),
            " 5\r\n".into(),
            "5 \r\n".into(),
            "+5\r\n".into(),
            "-5\r\n".into(),
            "0x5\r\n".into(),
            "5g\r\n".into(),
            "10000000000000000\r\n".into(),
            "5;\r\n".into(),
            "5;chunk-signature=\r\n".into(),
            format!("5;chunk-signature={}\r\n", &SIGNATURE[1..]),
            format!("5;chunk-signature={}\r\n", SIGNATURE.to_uppercase()),
            format!("5;chunk-signature={SIGNATURE}0\r\n"),
            format!("5;chunk-signature={SIGNATURE};a=b\r\n"),
            format!("5;a=b;chunk-signature={SIGNATURE}\r\n"),
            format!(";chunk-signature={SIGNATURE}\r\n"),
        ] {
            assert!(ChunkLine::parse(line.as_bytes()).is_none(), "{line:?}");
        }
    }

    #[test]
    fn endless_line_is_refused_at_the_bound() {
        let mut buffer = LineBuffer::default();
        for _ in 0..MAX_LINE_BYTES - 1 {
            assert!(buffer.fill(b"0").is_ok());
        }
        assert!(matches!(buffer.fill(b"0"), Err(ChunkFault::MalformedChunk)));
    }
}
