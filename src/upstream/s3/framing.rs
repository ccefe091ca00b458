//! What stands around a body on the wire: nothing, or `aws-chunked` with a CRC-64/NVME after it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};

use super::buffers::RUN_BYTES;

/// The header that carries the checksum after the body.
pub(super) const TRAILER_NAME: &str = "x-amz-checksum-crc64nvme";
/// Eight bytes in base64.
const CHECKSUM_CHARS: usize = 12;

/// How a body is framed. Its chunks are all of [`RUN_BYTES`] but the last, so that their number is known in advance.
pub(super) struct Framing(Option<Digest>);

/// Which frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Inner,
    Last,
}

/// What goes before and after a run of bytes.
#[derive(Default)]
pub(super) struct Around {
    before: String,
    after: String,
}

impl Around {
    /// The run with what stands around it.
    pub(super) fn pieces<'a>(&'a self, run: &'a [u8]) -> [&'a [u8]; 3] {
        [self.before.as_bytes(), run, self.after.as_bytes()]
    }
}

impl Framing {
    pub(super) const fn plain() -> Self {
        Self(None)
    }

    pub(super) fn trailer() -> Self {
        Self(Some(Digest::new(CrcAlgorithm::Crc64Nvme)))
    }

    /// Whether frames have to be of one size.
    pub(super) const fn is_uniform(&self) -> bool {
        self.0.is_some()
    }

    /// The next frame; an inner one is of [`RUN_BYTES`] where frames are uniform.
    pub(super) fn frame(&mut self, run: &[u8], kind: Frame) -> Around {
        let Some(crc) = &mut self.0 else { return Around::default() };
        crc.update(run);
        // A chunk of nothing would be the end.
        let before = if run.is_empty() { String::new() } else { format!("{:x}\r\n", run.len()) };
        let mut after = if run.is_empty() { String::new() } else { "\r\n".to_owned() };
        if kind == Frame::Last {
            let checksum = STANDARD.encode(crc.finalize().to_be_bytes());
            after.push_str("0\r\n");
            after.push_str(TRAILER_NAME);
            after.push(':');
            after.push_str(&checksum);
            after.push_str("\r\n\r\n");
        }
        Around { before, after }
    }

    /// The length of a framed body of `len` bytes, trailer included.
    pub(super) fn encoded_len(len: u64) -> u64 {
        let run = RUN_BYTES as u64;
        let chunk = |len: u64| if len == 0 { 0 } else { format!("{len:x}").len() as u64 + 2 + len + 2 };
        let end = "0\r\n".len() + TRAILER_NAME.len() + 1 + CHECKSUM_CHARS + "\r\n\r\n".len();
        (len / run) * chunk(run) + chunk(len % run) + end as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Framing};
    use crate::upstream::s3::buffers::RUN_BYTES;

    #[test]
    fn framed_bodies_are_as_long_as_announced() {
        for len in [0, 1, 15, 16, RUN_BYTES - 1, RUN_BYTES, RUN_BYTES + 1, 3 * RUN_BYTES, 3 * RUN_BYTES + 77] {
            let body = vec![7; len];
            let mut framing = Framing::trailer();
            let mut written = 0;
            let mut rest = &body[..];
            while rest.len() > RUN_BYTES {
                let frame = framing.frame(&rest[..RUN_BYTES], Frame::Inner);
                written += frame.pieces(&rest[..RUN_BYTES]).map(<[u8]>::len).iter().sum::<usize>();
                rest = &rest[RUN_BYTES..];
            }
            let frame = framing.frame(rest, Frame::Last);
            written += frame.pieces(rest).map(<[u8]>::len).iter().sum::<usize>();
            assert_eq!(written as u64, Framing::encoded_len(len as u64), "{len}");
        }
    }

    /// From AWS's documentation of CRC-64/NVME: the checksum of `123456789` is ae8b14860a799888.
    #[test]
    fn the_trailer_is_what_s3_expects() {
        let frame = Framing::trailer().frame(b"123456789", Frame::Last);
        let wire = frame.pieces(b"123456789").concat();
        let expected = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIg=\r\n\r\n";
        assert_eq!(std::str::from_utf8(&wire).expect("text"), expected);
        assert_eq!(Framing::plain().frame(b"x", Frame::Last).pieces(b"x").concat(), b"x");
    }
}
