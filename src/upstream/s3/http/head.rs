//! The head of an answer, parsed once into what S3's answers say. Everything in it comes from a service that need not
//! be trusted: what would leave the length of the body in doubt is refused.

use std::str::FromStr;
use std::time::Duration;

use crate::base::Timestamp;
use crate::envelope::ContentHeader;
use crate::s3::date::parse_date;
use crate::upstream::Described;

use super::super::object::CONTENT_TYPE;
use super::WireFault;

/// S3's answers have about fifteen headers; gateways and CDNs add some.
const MAX_HEADERS: usize = 100;
/// The longest head that is read. User metadata, which we never send, would be 2 KiB.
pub(super) const MAX_HEAD_BYTES: usize = 32 << 10;

/// Where user metadata begins.
const METADATA_PREFIX: &str = "x-amz-meta-";

/// What the head of an answer says.
#[derive(Debug, Default)]
pub(in crate::upstream::s3) struct AnswerHead {
    /// The status, 200 to 599.
    pub(in crate::upstream::s3) status: u16,
    /// How the body's end is found.
    pub(in crate::upstream::s3) framing: Framing,
    /// Whether the connection can carry another request.
    pub(super) keeps_alive: bool,
    /// Content-Length.
    pub(in crate::upstream::s3) content_length: Option<u64>,
    /// ETag as sent, with its quotes.
    pub(in crate::upstream::s3) etag: Option<String>,
    /// Last-Modified.
    pub(in crate::upstream::s3) last_modified: Option<Timestamp>,
    /// Date.
    pub(in crate::upstream::s3) date: Option<Timestamp>,
    /// Retry-After, where it can be read.
    pub(in crate::upstream::s3) retry_after: Option<RetryAfter>,
    /// Content-Range, where it can be read.
    pub(in crate::upstream::s3) content_range: Option<ContentRange>,
    /// x-amz-version-id.
    pub(in crate::upstream::s3) version_id: Option<String>,
    /// x-amz-delete-marker.
    pub(in crate::upstream::s3) delete_marker: bool,
    /// x-amz-tagging-count.
    pub(in crate::upstream::s3) tag_count: u16,
    /// x-amz-bucket-region: where a bucket is that was asked for elsewhere.
    pub(in crate::upstream::s3) bucket_region: Option<String>,
    /// Content headers and metadata. The media type that all our objects have says nothing, and costs nothing.
    pub(in crate::upstream::s3) described: Described,
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream::s3) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// Where the connection ends: a cut cannot be told from the end.
    #[default]
    UntilClose,
}

/// When a service that has no time now wants to be asked again (RFC 9110, section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) enum RetryAfter {
    /// So many seconds after its answer.
    Seconds(u64),
    /// Then, by its clock.
    At(Timestamp),
}

/// `bytes first-last/total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) struct ContentRange {
    /// The first byte.
    pub(in crate::upstream::s3) first: u64,
    /// The last byte, not before the first.
    pub(in crate::upstream::s3) last: u64,
    /// Length of the whole object, more than `last`.
    pub(in crate::upstream::s3) total: u64,
}

/// What stands at the start of some bytes.
#[derive(Debug)]
pub(in crate::upstream::s3) enum Parsed {
    /// Not all of a head yet.
    Partial,
    /// A 1xx answer of this many bytes; `Continue` is 100.
    Interim(usize, Interim),
    /// The answer, in so many bytes.
    Final(Box<AnswerHead>, usize),
}

/// Which interim answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) enum Interim {
    /// 100: the body may come.
    Continue,
    /// Anything else says nothing.
    Other,
}

/// Whether the request was one whose answer has no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream::s3) enum Asked {
    /// HEAD: its Content-Length is of a body that is not sent.
    Head,
    /// Anything else.
    Other,
}

/// Parses what has been read so far.
pub(in crate::upstream::s3) fn parse(bytes: &[u8], asked: Asked) -> Result<Parsed, WireFault> {
    let malformed = |what| Err(WireFault::Malformed(what));
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let len = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() >= MAX_HEAD_BYTES => return malformed("its head is too long"),
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(_) => return malformed("its head is not HTTP/1.1"),
    };
    let status = match answer.code {
        Some(100) => return Ok(Parsed::Interim(len, Interim::Continue)),
        Some(101) => return malformed("it switches protocols"),
        Some(102..=199) => return Ok(Parsed::Interim(len, Interim::Other)),
        Some(status @ 200..=599) => status,
        _ => return malformed("its status is none"),
    };
    let mut head = AnswerHead { status, keeps_alive: answer.version == Some(1), ..AnswerHead::default() };
    let mut transfer_encoding = None;
    for header in answer.headers.iter() {
        // Every header that we use is ASCII; another one is not ours to judge.
        let Ok(value) = std::str::from_utf8(header.value).map(str::trim) else { continue };
        head.take(header.name, value, &mut transfer_encoding)?;
    }
    head.framing = match (asked, status, transfer_encoding, head.content_length) {
        (Asked::Head, ..) | (_, 204 | 304, ..) => Framing::Length(0),
        // RFC 9112, section 6.3: an attempt at response splitting, or a broken gateway.
        (_, _, Some(_), Some(_)) => return malformed("it has both a length and a transfer encoding"),
        (_, _, Some(TransferEncoding::Chunked), None) => Framing::Chunked,
        (_, _, Some(TransferEncoding::Other), None) => return malformed("its transfer encoding is unknown"),
        (_, _, None, Some(length)) => Framing::Length(length),
        (_, _, None, None) => Framing::UntilClose,
    };
    Ok(Parsed::Final(Box::new(head), len))
}

enum TransferEncoding {
    Chunked,
    Other,
}

impl AnswerHead {
    /// Whether what was asked for is done, or begun: some failures come behind a 200.
    pub(in crate::upstream::s3) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    fn take(
        &mut self,
        name: &str,
        value: &str,
        transfer_encoding: &mut Option<TransferEncoding>,
    ) -> Result<(), WireFault> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // By length first: a header that is not ours costs one comparison.
        match name.len() {
            4 if is("etag") => self.etag = Some(value.to_owned()),
            4 if is("date") => self.date = parse_date(value),
            10 if is("connection") => {
                self.keeps_alive &= !value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"));
            }
            13 if is("last-modified") => self.last_modified = parse_date(value),
            13 if is("content-range") => self.content_range = value.parse().ok(),
            11 if is("retry-after") => self.retry_after = RetryAfter::read(value),
            14 if is("content-length") => {
                let length = digits(value).ok_or(WireFault::Malformed("its length is none"))?;
                if self.content_length.is_some_and(|other| other != length) {
                    return Err(WireFault::Malformed("it has two lengths"));
                }
                self.content_length = Some(length);
            }
            16 if is("x-amz-version-id") => self.version_id = Some(value.to_owned()),
            17 if is("transfer-encoding") => {
                let chunked = value.eq_ignore_ascii_case("chunked") && transfer_encoding.is_none();
                *transfer_encoding = Some(if chunked { TransferEncoding::Chunked } else { TransferEncoding::Other });
            }
            19 if is("x-amz-delete-marker") => self.delete_marker = value.eq_ignore_ascii_case("true"),
            19 if is("x-amz-tagging-count") => self.tag_count = value.parse().unwrap_or(0),
            19 if is("x-amz-bucket-region") => self.bucket_region = Some(value.to_owned()),
            _ => self.describe(name, value),
        }
        Ok(())
    }

    /// Content headers and metadata, the first of each.
    fn describe(&mut self, name: &str, value: &str) {
        let Described { headers, metadata } = &mut self.described;
        if let Some(header) = ContentHeader::ALL.into_iter().find(|header| header.header().eq_ignore_ascii_case(name)) {
            let says_nothing = header == ContentHeader::ContentType && value == CONTENT_TYPE;
            if !says_nothing && headers.iter().all(|(other, _)| *other != header) {
                headers.push((header, value.as_bytes().to_vec()));
            }
        } else if let Some((prefix, name)) = name.split_at_checked(METADATA_PREFIX.len())
            && prefix.eq_ignore_ascii_case(METADATA_PREFIX)
            && !name.is_empty()
        {
            let name = name.to_ascii_lowercase().into_bytes();
            if metadata.iter().all(|(other, _)| *other != name) {
                metadata.push((name, value.as_bytes().to_vec()));
            }
        }
    }
}

/// Digits only: `+5` and `0x5` are numbers to some parsers and not to others.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl RetryAfter {
    fn read(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More seconds than can be counted are too many all the same.
            return Some(Self::Seconds(text.parse().unwrap_or(u64::MAX)));
        }
        parse_date(text).map(Self::At)
    }

    /// How long that is from `now` by the service's clock.
    pub(in crate::upstream::s3) fn counted_from(self, now: Timestamp) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::At(at) => {
                let left = at.unix_millis().saturating_sub(now.unix_millis());
                Duration::from_millis(u64::try_from(left).unwrap_or(0))
            }
        }
    }
}

impl FromStr for ContentRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (range, total) = text.strip_prefix("bytes ").ok_or(())?.split_once('/').ok_or(())?;
        let (first, last) = range.split_once('-').ok_or(())?;
        let number = |text| digits(text).ok_or(());
        let range = Self { first: number(first)?, last: number(last)?, total: number(total)? };
        if range.first <= range.last && range.last < range.total { Ok(range) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Asked, ContentHeader, ContentRange, Described, Duration, Framing, Interim, MAX_HEAD_BYTES, Parsed, RetryAfter,
        Timestamp, parse,
    };

    use proptest::prelude::{any, proptest};

    fn head(text: &str) -> Result<(Framing, bool), String> {
        match parse(text.replace('\n', "\r\n").as_bytes(), Asked::Other) {
            Ok(Parsed::Final(head, _)) => Ok((head.framing, head.keeps_alive)),
            Ok(other) => Err(format!("{other:?}")),
            Err(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn the_end_of_a_body_is_found() {
        for (text, framing, keeps_alive) in [
            ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\ntransfer-encoding: Chunked\n\n", Framing::Chunked, true),
            ("HTTP/1.1 200 OK\nConnection: foo, Close\n\n", Framing::UntilClose, false),
            ("HTTP/1.0 200 OK\ncontent-length: 0\n\n", Framing::Length(0), false),
            ("HTTP/1.1 204 No Content\ntransfer-encoding: chunked\n\n", Framing::Length(0), true),
        ] {
            assert_eq!(head(text), Ok((framing, keeps_alive)), "{text}");
        }
    }

    /// Of what others stored; what we store says nothing of itself.
    #[test]
    fn content_is_described() {
        let text = "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: text/x\ncontent-type: text/y\nExpires: never\n\
                    X-Amz-Meta-Colour: blue\nx-amz-meta-colour: red\nx-amz-meta-: nothing\nx-amz-meta: nothing\n\n";
        let described = |text: &str| match parse(text.replace('\n', "\r\n").as_bytes(), Asked::Other) {
            Ok(Parsed::Final(head, _)) => head.described,
            other => panic!("{other:?}"),
        };
        let found = described(text);
        let headers = [(ContentHeader::ContentType, b"text/x".to_vec()), (ContentHeader::Expires, b"never".to_vec())];
        assert_eq!(found.headers, headers);
        assert_eq!(found.metadata, [(b"colour".to_vec(), b"blue".to_vec())]);
        assert!(!format!("{found:?}").contains("never"));
        let ours = "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: application/octet-stream\n\n";
        assert_eq!(described(ours), Described::default());
    }

    #[test]
    fn a_length_in_doubt_is_refused() {
        for headers in [
            "Content-Length: 5\nContent-Length: 6\n",
            "Content-Length: 5\nTransfer-Encoding: chunked\n",
            "Transfer-Encoding: gzip, chunked\n",
            "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
            "Transfer-Encoding: gzip\n",
            "Content-Length: +5\n",
            "Content-Length: -1\n",
            "Content-Length: 5, 5\n",
            "Content-Length: \n",
            "Content-Length: 99999999999999999999\n",
        ] {
            assert!(head(&format!("HTTP/1.1 200 OK\n{headers}\n")).is_err(), "{headers}");
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let many = format!("HTTP/1.1 200 OK\n{}\n", "a: b\n".repeat(101));
        for text in ["SSH-2.0-OpenSSH\n\n", "HTTP/2 200\n\n", "HTTP/1.1 101 Up\n\n", "HTTP/1.1 600 x\n\n", &many] {
            assert!(head(text).is_err(), "{text}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MAX_HEAD_BYTES));
        assert!(parse(endless.as_bytes(), Asked::Other).is_err());
        assert!(matches!(parse(b"HTTP/1.1 20", Asked::Other), Ok(Parsed::Partial)));
    }

    #[test]
    fn interim_answers_and_heads_have_no_body() {
        let interim = parse(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", Asked::Other).expect("sound");
        assert!(matches!(interim, Parsed::Interim(25, Interim::Continue)), "{interim:?}");
        let Ok(Parsed::Final(head, _)) = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Asked::Head) else {
            panic!("not final")
        };
        assert_eq!((head.framing, head.content_length), (Framing::Length(0), Some(7)));
    }

    #[test]
    fn content_ranges_are_read_strictly() {
        assert_eq!("bytes 0-4/10".parse(), Ok(ContentRange { first: 0, last: 4, total: 10 }));
        for text in
            ["bytes */10", "bytes 0-4/*", "bytes 4-0/10", "bytes 0-10/10", "bytes=0-4/10", "0-4/10", "bytes 0-+4/10"]
        {
            assert_eq!(text.parse::<ContentRange>(), Err(()), "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_unix_seconds(784_111_777);
        let wait = |text| RetryAfter::read(text).map(|after| after.counted_from(now));
        for (text, seconds) in [
            ("0", 0),
            ("120", 120),
            ("99999999999999999999", u64::MAX),
            ("Sun, 06 Nov 1994 08:49:39 GMT", 2),
            ("Sunday, 06-Nov-94 08:49:39 GMT", 2),
            ("Sun, 06 Nov 1994 08:49:30 GMT", 0),
        ] {
            assert_eq!(wait(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "-1", "+1", "1.5", "1s", "soon", "Sun, 06 Nov 1994"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_head_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&[b"HTTP/1.1 200 OK\r\n", bytes.as_slice()].concat(), Asked::Other);
        }

        #[test]
        fn no_headers_panic(text in "([a-zA-Z-]{1,20}: ?[ -~]{0,30}\r\n){0,5}\r\n") {
            let _ = parse(format!("HTTP/1.1 206 Partial\r\n{text}").as_bytes(), Asked::Other);
        }
    }
}
