//! Sealing the body of a PUT or of one part: a core without I/O that the caller feeds and drains.

use zeroize::Zeroizing;

use super::cobblestone::{
    HEADER_BYTES, MAX_SEGMENTS, SEGMENT_BYTES, STORED_SEGMENT_BYTES, Salt, StreamKeys, TAG_BYTES,
};
use super::error::SealError;
use super::keys::BodyKeys;
use super::layout;
use crate::base::limits::MAX_PART_NUMBER;

/// With this much room in `out`, every call of [`PartSealer::seal`] makes progress, and [`PartSealer::finish`] succeeds.
pub const MIN_SEAL_BUFFER_BYTES: usize = HEADER_BYTES + STORED_SEGMENT_BYTES;

/// How far one call came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Input bytes taken.
    pub consumed: usize,
    /// Output bytes made.
    pub written: usize,
}

/// What the manifest needs to know of a sealed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedPart {
    /// The salt of this attempt.
    pub salt: Salt,
    /// Its plaintext length in bytes.
    pub plaintext_bytes: u64,
    /// Its stored length in bytes.
    pub stored_bytes: u64,
    /// Bytes that [`PartSealer::finish`] wrote into `out`.
    pub written: usize,
}

/// Seals one part. Full segments go out as soon as they are there; the last, short one only at [`PartSealer::finish`],
/// so a sealer that is dropped before leaves bytes that no reader accepts: call `finish` after the client's proof of the
/// body has been checked, and not otherwise.
pub struct PartSealer {
    keys: StreamKeys,
    salt: Salt,
    /// Plaintext of a segment that straddles two calls; shorter than a segment between calls.
    stage: Zeroizing<Vec<u8>>,
    sealed_segments: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Segments,
    Finished,
}

/// Context of P_i: a part belongs to one number.
pub(super) fn part_context(number: u16) -> Vec<u8> {
    [b"crypt-keeper.v1 part\0".as_slice(), &u32::from(number).to_be_bytes()].concat()
}

impl PartSealer {
    /// For part `number` (0: single PUT, else 1..=10000). `salt` is fresh randomness for every attempt: the same part sent
    /// twice with different bytes must not meet the same key and nonce.
    pub fn new(keys: &BodyKeys, number: u16, salt: Salt) -> Result<Self, SealError> {
        if number > MAX_PART_NUMBER {
            return Err(SealError::PartNumber(number));
        }
        Ok(Self {
            keys: StreamKeys::derive(&keys.body, &salt, &part_context(number)),
            salt,
            stage: Zeroizing::new(Vec::new()),
            sealed_segments: 0,
            state: State::Header,
        })
    }

    /// Plaintext bytes taken so far.
    pub fn plaintext_bytes(&self) -> u64 {
        self.sealed_segments * SEGMENT_BYTES as u64 + self.stage.len() as u64
    }

    /// Bytes of plaintext that the segment at hand is short of: whoever gives these seals one segment.
    pub fn missing(&self) -> usize {
        SEGMENT_BYTES - self.stage.len()
    }

    /// Seals as much of `plain` as there is room for. Whole segments go straight from `plain` into `out`; what is left of
    /// `plain` after them (less than a segment) is staged. Call again with the rest until all is consumed; no progress
    /// means that `out` has less room than [`MIN_SEAL_BUFFER_BYTES`].
    pub fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<Progress, SealError> {
        let mut done = Progress::default();
        match self.state {
            State::Finished => return Err(SealError::Finished),
            State::Header if out.len() < HEADER_BYTES => return Ok(done),
            State::Header => done.written = self.write_header(out),
            State::Segments => {}
        }
        loop {
            let rest = &plain[done.consumed..];
            let missing = self.missing();
            if rest.len() < missing {
                self.stage_up(rest);
                done.consumed += rest.len();
                return Ok(done);
            }
            let Some(room) = out[done.written..].first_chunk_mut::<STORED_SEGMENT_BYTES>() else { return Ok(done) };
            // The last segment needs a number too.
            if self.sealed_segments + 1 >= MAX_SEGMENTS {
                return Err(SealError::TooLong);
            }
            let now = &rest[..missing];
            if self.stage.is_empty() {
                self.keys.seal_segment(self.sealed_segments, now, room).map_err(|_| SealError::TooLong)?;
            } else {
                self.stage.extend_from_slice(now);
                self.keys.seal_segment(self.sealed_segments, &self.stage, room).map_err(|_| SealError::TooLong)?;
                self.stage.clear();
            }
            self.sealed_segments += 1;
            done.consumed += missing;
            done.written += STORED_SEGMENT_BYTES;
        }
    }

    /// Writes the last segment, which says that the part is whole. `out` needs the room of [`MIN_SEAL_BUFFER_BYTES`] at most.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<SealedPart, SealError> {
        let header = match self.state {
            State::Finished => return Err(SealError::Finished),
            State::Header => HEADER_BYTES,
            State::Segments => 0,
        };
        let last = self.stage.len() + TAG_BYTES;
        if out.len() < header + last {
            return Err(SealError::BufferTooSmall);
        }
        if self.state == State::Header {
            self.write_header(out);
        }
        self.keys
            .seal_segment(self.sealed_segments, &self.stage, &mut out[header..header + last])
            .map_err(|_| SealError::TooLong)?;
        let plaintext_bytes = self.plaintext_bytes();
        let stored_bytes = layout::stored_part_bytes(plaintext_bytes).ok_or(SealError::TooLong)?;
        self.state = State::Finished;
        Ok(SealedPart { salt: self.salt, plaintext_bytes, stored_bytes, written: header + last })
    }

    fn write_header(&mut self, out: &mut [u8]) -> usize {
        out[..HEADER_BYTES].copy_from_slice(self.keys.header());
        self.state = State::Segments;
        HEADER_BYTES
    }

    fn stage_up(&mut self, plain: &[u8]) {
        if self.stage.capacity() == 0 && !plain.is_empty() {
            // Once, at full size: a growing Vec would leave plaintext behind in freed memory.
            self.stage.reserve_exact(SEGMENT_BYTES);
        }
        self.stage.extend_from_slice(plain);
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_SEGMENTS, PartSealer, SEGMENT_BYTES};
    use crate::base::{BodyId, Key32};
    use crate::envelope::{BodyKeys, Dek, SealError};

    /// FORMAT.md: "There are at most 2^38 segments; a writer or reader that reaches that number MUST stop."
    #[test]
    fn counter_stops_before_it_overflows() {
        let keys = BodyKeys::derive(&Dek::new(Key32::new([1; 32])), &BodyId::from_bytes([2; 16]));
        let mut sealer = PartSealer::new(&keys, 0, [3; 24]).expect("a part number");
        sealer.sealed_segments = MAX_SEGMENTS - 2;
        let (plain, mut out) = (vec![0; SEGMENT_BYTES], vec![0; 2 * SEGMENT_BYTES]);
        assert_eq!(sealer.seal(&plain, &mut out).map(|done| done.consumed), Ok(SEGMENT_BYTES));
        assert_eq!(sealer.seal(&plain, &mut out), Err(SealError::TooLong));
        assert_eq!(sealer.seal(&plain[1..], &mut out).map(|done| done.consumed), Ok(SEGMENT_BYTES - 1));
        let sealed = sealer.finish(&mut out).expect("the longest part there is");
        assert_eq!(sealed.plaintext_bytes, crate::envelope::layout::MAX_PART_PLAINTEXT_BYTES);
    }

    #[test]
    fn the_same_part_sent_twice_shares_no_bytes() {
        let keys = BodyKeys::derive(&Dek::new(Key32::new([1; 32])), &BodyId::from_bytes([2; 16]));
        let seal = |salt| {
            let mut out = vec![0; 200];
            let mut sealer = PartSealer::new(&keys, 1, salt).expect("a part number");
            let done = sealer.seal(&[0; 100], &mut out).expect("seals");
            sealer.finish(&mut out[done.written..]).expect("finishes");
            out
        };
        let (one, two) = (seal([1; 24]), seal([2; 24]));
        assert!(one[24..172].chunks(8).zip(two[24..172].chunks(8)).all(|(one, two)| one != two));
    }
}
