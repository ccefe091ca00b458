//! Where request heads begin and end in the bytes of a connection.
//!
//! hyper parses requests and is the only one to say what they mean. This follows it from outside, so that hyper is
//! never handed a byte of the next request while it is busy with one: then the listener knows of every head what hyper
//! does not tell (that a Content-Length stood beside a Transfer-Encoding), and whether what hyper writes is an answer
//! or its own refusal. Where the two disagree the connection ends ([`Framing::begin_body`] says so); what is read
//! differently here can break a request, it can never let one pass.

/// How the body of a request is framed, as hyper read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// Exactly so many bytes; 0 where there is no body.
    Sized(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What is known of a head that has gone to hyper whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether it has a line of Content-Length. hyper drops it where there is a Transfer-Encoding.
    pub(super) content_length: bool,
}

/// Follows the bytes of a connection.
#[derive(Debug)]
pub(super) struct Framing(State);

#[derive(Debug)]
enum State {
    /// A head is to come, or under way.
    Head(Lines),
    /// A head has ended, and hyper has not said what it is.
    HeadEnded(Head),
    /// This much of a body is to come; never 0.
    Sized(u64),
    Chunked(Chunk),
    /// hyper goes another way; it will find a fault in what it reads.
    Lost,
}

impl Framing {
    pub(super) const fn new() -> Self {
        Self(State::Head(Lines::new()))
    }

    /// Takes the next bytes, not empty, and says how many of them hyper may see now: at least one, unless
    /// [`Framing::head_has_ended`].
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        match &mut self.0 {
            State::Head(lines) => {
                let taken = lines.feed(bytes);
                if lines.ended {
                    self.0 = State::HeadEnded(Head { content_length: lines.content_length });
                }
                taken
            }
            State::HeadEnded(_) => 0,
            State::Sized(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::new();
                }
                taken
            }
            State::Chunked(chunk) => {
                let taken = chunk.feed(bytes);
                match chunk {
                    Chunk::End => *self = Self::new(),
                    Chunk::Fault => self.0 = State::Lost,
                    _ => {}
                }
                taken
            }
            State::Lost => bytes.len(),
        }
    }

    /// hyper has parsed a head: its body follows. `None` where that is not the head that ended here.
    pub(super) const fn begin_body(&mut self, framing: BodyFraming) -> Option<Head> {
        let State::HeadEnded(head) = self.0 else {
            self.0 = State::Lost;
            return None;
        };
        self.0 = match framing {
            BodyFraming::Sized(0) => State::Head(Lines::new()),
            BodyFraming::Sized(bytes) => State::Sized(bytes),
            BodyFraming::Chunked => State::Chunked(Chunk::Size { value: 0, digits: false }),
        };
        Some(head)
    }

    /// Whether a whole head has gone to hyper, which owes us a request now.
    pub(super) const fn head_has_ended(&self) -> bool {
        matches!(self.0, State::HeadEnded(_))
    }

    /// Whether some of a head has come.
    pub(super) const fn head_has_begun(&self) -> bool {
        match &self.0 {
            State::Head(lines) => lines.begun,
            State::HeadEnded(_) | State::Lost => true,
            State::Sized(_) | State::Chunked(_) => false,
        }
    }
}

/// Lines up to an empty one. Empty lines before the first do not count (RFC 9112, 2.2).
#[derive(Debug)]
struct Lines {
    /// The beginning of the line under way.
    line: [u8; Self::NAME.len()],
    /// Its length so far.
    length: usize,
    begun: bool,
    ended: bool,
    content_length: bool,
}

impl Lines {
    /// hyper takes no blank before the colon and no continued lines, so that a header is there when a line starts so.
    const NAME: &[u8] = b"content-length:";

    const fn new() -> Self {
        Self { line: [0; Self::NAME.len()], length: 0, begun: false, ended: false, content_length: false }
    }

    fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            taken += piece.len();
            let (text, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            self.extend(text);
            if is_whole {
                self.end_line();
            }
            if self.ended {
                break;
            }
        }
        taken
    }

    fn extend(&mut self, text: &[u8]) {
        if let Some(room) = self.line.get_mut(self.length..) {
            let kept = room.len().min(text.len());
            room[..kept].copy_from_slice(&text[..kept]);
        }
        self.length = self.length.saturating_add(text.len());
        self.begun |= text.iter().any(|byte| *byte != b'\r');
    }

    fn end_line(&mut self) {
        let is_empty = self.length == 0 || (self.length == 1 && self.line[0] == b'\r');
        self.ended = is_empty && self.begun;
        self.content_length |= self.length >= self.line.len() && self.line.eq_ignore_ascii_case(Self::NAME);
        self.length = 0;
    }
}

/// The chunked framing of RFC 9112, 7.1. Where hyper is stricter, it ends the connection.
#[derive(Debug)]
enum Chunk {
    Size { value: u64, digits: bool },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
    Fault,
}

impl Chunk {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            if let Self::Data { left } = self {
                let skipped = (bytes.len() - taken).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= skipped as u64;
                taken += skipped;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            *self = self.after(byte);
            taken += 1;
            match self {
                Self::End => break,
                Self::Fault => return bytes.len(),
                _ => {}
            }
        }
        taken
    }

    fn after(&self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { value, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).map(u64::from);
                let value = digit.and_then(|digit| value.checked_mul(16)?.checked_add(digit));
                value.map_or(Self::Fault, |value| Self::Size { value, digits: true })
            }
            (Self::Size { value, digits: true }, b';' | b' ' | b'\t') => Self::Extension { size: *value },
            (Self::Size { value: size, digits: true } | Self::Extension { size }, b'\r') => {
                Self::SizeLf { size: *size }
            }
            (Self::Extension { .. }, b'\n') => Self::Fault,
            (Self::Extension { size }, _) => Self::Extension { size: *size },
            (Self::SizeLf { size: 0 }, b'\n') => Self::LineStart,
            (Self::SizeLf { size }, b'\n') => Self::Data { left: *size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { value: 0, digits: false },
            (Self::LineStart, b'\r') => Self::EndLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::LineStart | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerLf, b'\n') => Self::LineStart,
            (Self::EndLf, b'\n') => Self::End,
            _ => Self::Fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZED: &[u8] = b"\r\nPUT /a HTTP/1.1\r\nHost: x\r\nCONTENT-Length: 5\r\n\r\nhello";
    const CHUNKED_HEAD: &[u8] = b"PUT /b HTTP/1.1\nTransfer-Encoding: chunked\n\n";
    const CHUNKED: &[u8] = b"5;x=y\r\nhello\r\nA \r\n0123\r\n6789\r\n0\r\nt: 1\r\n\r\n";
    const BARE: &[u8] = b"GET /c?content-length: HTTP/1.1\r\nx: content-length: 5\r\nx-content-length: 5\r\n\r\n";

    /// Feeds `wire` in pieces, answers each head as hyper would, and says where heads ended and what they had.
    fn follow(wire: &[u8], bodies: &[BodyFraming], pieces: &[usize]) -> Vec<(usize, Head)> {
        let (mut framing, mut at, mut bodies, mut pieces) = (Framing::new(), 0, bodies.iter(), pieces.iter().cycle());
        let mut found = Vec::new();
        while at < wire.len() {
            let end = wire.len().min(at + pieces.next().expect("pieces"));
            at += framing.feed(&wire[at..end]);
            if framing.head_has_ended() {
                assert_eq!(framing.feed(b"more"), 0, "nothing behind a head goes on");
                found.push((at, framing.begin_body(*bodies.next().expect("a head")).expect("that very head")));
            }
        }
        assert!(!framing.head_has_begun(), "the end of the last body: {framing:?}");
        found
    }

    proptest! {
        #[test]
        fn heads_are_found_however_the_bytes_are_cut(pieces in prop::collection::vec(1_usize..40, 1..20)) {
            let wire = [SIZED, CHUNKED_HEAD, CHUNKED, BARE, SIZED].concat();
            let bodies = [BodyFraming::Sized(5), BodyFraming::Chunked, BodyFraming::Sized(0), BodyFraming::Sized(5)];
            let chunked = SIZED.len() + CHUNKED_HEAD.len();
            let ends = [SIZED.len() - 5, chunked, chunked + CHUNKED.len() + BARE.len(), wire.len() - 5];
            let found = follow(&wire, &bodies, &pieces);
            prop_assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), ends);
            let lengths: Vec<_> = found.iter().map(|(_, head)| head.content_length).collect();
            prop_assert_eq!(lengths, [true, false, false, true]);
        }

        /// Whatever comes, it neither panics nor stands still.
        #[test]
        fn rubbish_is_followed(wire in prop::collection::vec(prop::sample::select(b"\r\n0aF; :xg".to_vec()), 0..200)) {
            let mut framing = Framing::new();
            let mut at = 0;
            while at < wire.len() {
                match framing.feed(&wire[at..]) {
                    0 => { framing.begin_body(BodyFraming::Chunked).expect("a head has ended"); }
                    taken => at += taken,
                }
            }
        }
    }

    #[test]
    fn a_request_that_is_not_the_head_that_ended_is_noticed() {
        let mut framing = Framing::new();
        framing.feed(b"GET / HTTP/1.1\r\n");
        assert_eq!(framing.begin_body(BodyFraming::Sized(0)), None);
        assert_eq!(framing.feed(b"\r\n\r\nGET"), 7, "all passes: hyper has the last word");
        assert_eq!(framing.begin_body(BodyFraming::Sized(0)), None, "and nothing is believed any more");
    }

    #[test]
    fn faults_of_chunks_lose_the_way_for_good() {
        for body in ["\r\n", "g\r\n", "1\r\nab", "1\n", "1;\n", "10000000000000000\r\n", "0\r\n\r\r", "0\r\nx: 1\r\r"] {
            let mut framing = Framing::new();
            framing.feed(b"PUT / HTTP/1.1\r\n\r\n");
            framing.begin_body(BodyFraming::Chunked).expect("the head");
            framing.feed(body.as_bytes());
            assert!(matches!(framing.0, State::Lost), "{body:?}: {framing:?}");
        }
    }
}
