//! Conditional requests: what must hold of an object before it is read, copied or replaced.
//!
//! Evaluated on client-visible facts (ETag of the plaintext, Last-Modified), never on the upstream's.

use std::borrow::Cow;
use std::fmt;

use crate::base::Timestamp;

use super::date::parse_date;
use super::fault::S3Fault;
use super::headers::RequestView;

/// The ETags of an If-Match or If-None-Match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagMatch {
    /// `*`: any object.
    Any,
    /// One of these; quotes are optional, as S3 has it.
    OneOf(Vec<EtagCondition>),
}

/// One ETag of a condition, without its quotes.
#[derive(Clone, PartialEq, Eq)]
pub struct EtagCondition {
    /// The text between the quotes.
    pub value: String,
    /// How it may be compared.
    pub strength: Strength,
}

/// Whether an ETag in a condition was weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// `"..."`, or no quotes.
    Strong,
    /// `W/"..."`: some cache in between made it so.
    Weak,
}

impl EtagMatch {
    /// Reads the value of a header. A comma inside quotes does not separate.
    pub fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        let mut quoted = false;
        let separates = |c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        };
        let tags = text.split(separates).map(str::trim).filter(|tag| !tag.is_empty());
        Self::OneOf(tags.map(EtagCondition::parse).collect())
    }

    /// Whether the ETag (without quotes) fits, weak ones never: If-Match.
    pub fn matches_strongly(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag.strength == Strength::Strong && tag.value == etag),
        }
    }

    /// Whether the ETag (without quotes) fits, weak ones too: If-None-Match (RFC 9110, 13.1.2).
    pub fn matches_weakly(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag.value == etag),
        }
    }
}

/// It may be the digest of a plaintext.
impl fmt::Debug for EtagCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EtagCondition({:?}, ..)", self.strength)
    }
}

impl EtagCondition {
    fn parse(tag: &str) -> Self {
        let weak = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/"));
        let strength = if weak.is_some() { Strength::Weak } else { Strength::Strong };
        Self { value: unquoted(weak.unwrap_or(tag)).to_owned(), strength }
    }
}

/// An ETag as clients send it, with or without quotes.
pub fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

/// The conditions of GET and HEAD, or of the source of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    if_match: Option<EtagMatch>,
    if_none_match: Option<EtagMatch>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
}

/// What the conditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Proceed,
    /// The client has it already. The answer carries ETag and Last-Modified.
    NotModified,
    /// PreconditionFailed, with this header's name as Condition.
    PreconditionFailed(&'static str),
}

impl ReadConditions {
    /// If-Match and its kin of GET and HEAD.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Self::read(request, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
    }

    /// x-amz-copy-source-if-match and its kin.
    pub fn parse_copy_source(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let names = [
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-copy-source-if-modified-since",
            "x-amz-copy-source-if-unmodified-since",
        ];
        Self::read(request, names)
    }

    fn read(request: &RequestView<'_>, names: [&'static str; 4]) -> Result<Self, S3Fault> {
        let [if_match, if_none_match, if_modified_since, if_unmodified_since] = names;
        let tags = |name| Ok(request.text(name)?.map(|text| EtagMatch::parse(&text)));
        let date = |name| Ok(request.text(name)?.and_then(|text: Cow<'_, str>| parse_date(&text)));
        Ok(Self {
            if_match: tags(if_match)?,
            if_none_match: tags(if_none_match)?,
            if_modified_since: date(if_modified_since)?,
            if_unmodified_since: date(if_unmodified_since)?,
        })
    }

    /// Holds them against an object, for GET and HEAD. `etag` is without quotes; dates count in seconds.
    pub fn evaluate(&self, etag: &str, last_modified: Timestamp, now: Timestamp) -> Verdict {
        let modified = last_modified.unix_seconds();
        // ETags beat dates (S3's GetObject documentation; RFC 9110, 13.2.2).
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches_strongly(etag) => return Verdict::PreconditionFailed("If-Match"),
            (None, Some(since)) if modified > since.unix_seconds() => {
                return Verdict::PreconditionFailed("If-Unmodified-Since");
            }
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.matches_weakly(etag) => Verdict::NotModified,
            // A date in the future is no date that the client can have got from us.
            (None, Some(since)) if modified <= since.unix_seconds() && since <= now => Verdict::NotModified,
            _ => Verdict::Proceed,
        }
    }

    /// Holds them against the source of a copy: nothing is "not modified" there, it fails.
    pub fn evaluate_copy_source(&self, etag: &str, last_modified: Timestamp, now: Timestamp) -> Verdict {
        match self.evaluate(etag, last_modified, now) {
            Verdict::Proceed => Verdict::Proceed,
            Verdict::NotModified if self.if_none_match.is_some() => {
                Verdict::PreconditionFailed("x-amz-copy-source-If-None-Match")
            }
            Verdict::NotModified => Verdict::PreconditionFailed("x-amz-copy-source-If-Modified-Since"),
            Verdict::PreconditionFailed("If-Match") => Verdict::PreconditionFailed("x-amz-copy-source-If-Match"),
            Verdict::PreconditionFailed(_) => Verdict::PreconditionFailed("x-amz-copy-source-If-Unmodified-Since"),
        }
    }
}

/// If-Range: whether the Range of the request may be served, or the object has to come whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfRange {
    /// Only if it is this one.
    Etag(EtagCondition),
    /// Only if it was last modified exactly then.
    Date(Timestamp),
}

impl IfRange {
    /// Reads the header, if it is there.
    pub fn parse(request: &RequestView<'_>) -> Result<Option<Self>, S3Fault> {
        let text = request.text("if-range")?;
        Ok(text.map(|text| parse_date(&text).map_or_else(|| Self::Etag(EtagCondition::parse(&text)), Self::Date)))
    }

    /// Whether the range may be served.
    pub fn holds(&self, etag: &str, last_modified: Timestamp) -> bool {
        match self {
            Self::Etag(tag) => tag.strength == Strength::Strong && tag.value == etag,
            Self::Date(date) => date.unix_seconds() == last_modified.unix_seconds(),
        }
    }
}

/// What must hold of the object that a write replaces or a DELETE removes; checked atomically with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Nothing.
    #[default]
    None,
    /// `If-None-Match: *`: there is no object.
    Absent,
    /// `If-Match: *`: there is an object.
    Present,
    /// `If-Match`: there is an object with one of these ETags; no object at all is NoSuchKey.
    Matches(EtagMatch),
}

impl WriteCondition {
    /// Of an operation that publishes an object. A guard that we cannot keep is refused, never dropped.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        refuse(request, &["if-modified-since", "if-unmodified-since"])?;
        let absent = request.text("if-none-match")?;
        match (absent, request.text("if-match")?) {
            (None, None) => Ok(Self::None),
            (None, Some(tags)) => Ok(Self::matching(&tags)),
            // S3 knows `*` only, and not both at once.
            (Some(tags), None) if tags == "*" => Ok(Self::Absent),
            (Some(_), _) => Err(S3Fault::HeaderNotImplemented { header: "if-none-match".to_owned() }),
        }
    }

    /// Of a DELETE: If-Match only.
    pub fn parse_delete(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        refuse(request, &["if-none-match", "if-modified-since", "if-unmodified-since"])?;
        Ok(request.text("if-match")?.map_or(Self::None, |tags| Self::matching(&tags)))
    }

    pub(super) fn matching(tags: &str) -> Self {
        match EtagMatch::parse(tags) {
            EtagMatch::Any => Self::Present,
            tags @ EtagMatch::OneOf(_) => Self::Matches(tags),
        }
    }
}

fn refuse(request: &RequestView<'_>, headers: &[&'static str]) -> Result<(), S3Fault> {
    for header in headers {
        if request.header(header)?.is_some() {
            return Err(S3Fault::HeaderNotImplemented { header: (*header).to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{EtagMatch, IfRange, ReadConditions, Verdict, WriteCondition};
    use crate::base::Timestamp;
    use crate::s3::S3Fault;
    use crate::s3::date::http_date;
    use crate::s3::sample::read;

    const ETAG: &str = "0123456789abcdef0123456789abcdef-2";
    const MODIFIED: Timestamp = Timestamp::from_unix_millis(1_700_000_000_900);
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_001_000);
    const FAILED_MATCH: Verdict = Verdict::PreconditionFailed("If-Match");
    const FAILED_DATE: Verdict = Verdict::PreconditionFailed("If-Unmodified-Since");

    fn verdict(headers: &[(&str, &str)]) -> Verdict {
        let conditions = read("GET /bucket/key", headers, ReadConditions::parse).expect("sound");
        conditions.evaluate(ETAG, MODIFIED, NOW)
    }

    fn at(offset_seconds: i64) -> String {
        http_date(Timestamp::from_unix_seconds(MODIFIED.unix_seconds() + offset_seconds))
    }

    #[test]
    fn etags_are_compared_with_or_without_quotes_and_in_lists() {
        let quoted = format!("\"{ETAG}\"");
        let list = format!("\"a,b\", {quoted}");
        for tags in [ETAG, &quoted, "*", &list, &format!("x,{ETAG}")] {
            assert_eq!(verdict(&[("if-match", tags)]), Verdict::Proceed, "{tags}");
            assert_eq!(verdict(&[("if-none-match", tags)]), Verdict::NotModified, "{tags}");
        }
        for tags in ["", "\"\"", "other", &ETAG[..33], &ETAG.to_uppercase(), "\"*\""] {
            assert_eq!(verdict(&[("if-match", tags)]), FAILED_MATCH, "{tags}");
            assert_eq!(verdict(&[("if-none-match", tags)]), Verdict::Proceed, "{tags}");
        }
    }

    #[test]
    fn a_weak_etag_never_matches_if_match() {
        let weak = format!("W/\"{ETAG}\"");
        assert_eq!(verdict(&[("if-match", &weak)]), FAILED_MATCH);
        assert_eq!(verdict(&[("if-none-match", &weak)]), Verdict::NotModified);
    }

    #[test]
    fn dates_count_in_seconds() {
        assert_eq!(verdict(&[("if-modified-since", &at(0))]), Verdict::NotModified);
        assert_eq!(verdict(&[("if-modified-since", &at(-1))]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", &at(0))]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", &at(-1))]), FAILED_DATE);
    }

    #[test]
    fn dates_in_the_future_and_dates_that_are_none_are_ignored() {
        assert_eq!(verdict(&[("if-modified-since", &at(100_000))]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-modified-since", "yesterday")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", "yesterday")]), Verdict::Proceed);
    }

    #[test]
    fn etags_beat_dates() {
        assert_eq!(verdict(&[("if-match", ETAG), ("if-unmodified-since", &at(-1))]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "x"), ("if-unmodified-since", &at(1))]), FAILED_MATCH);
        assert_eq!(verdict(&[("if-none-match", ETAG), ("if-modified-since", &at(-1))]), Verdict::NotModified);
        assert_eq!(verdict(&[("if-none-match", "x"), ("if-modified-since", &at(0))]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "x"), ("if-none-match", ETAG)]), FAILED_MATCH);
    }

    #[test]
    fn the_source_of_a_copy_is_never_not_modified() {
        let source = |header: &str, value: &str| {
            let headers = [("x-amz-copy-source", "b-1/k"), (header, value)];
            let conditions = read("PUT /bucket/key", &headers, ReadConditions::parse_copy_source).expect("sound");
            conditions.evaluate_copy_source(ETAG, MODIFIED, NOW)
        };
        let failed = Verdict::PreconditionFailed;
        assert_eq!(source("x-amz-copy-source-if-match", ETAG), Verdict::Proceed);
        assert_eq!(source("x-amz-copy-source-if-match", "x"), failed("x-amz-copy-source-If-Match"));
        assert_eq!(source("x-amz-copy-source-if-none-match", ETAG), failed("x-amz-copy-source-If-None-Match"));
        let since = "x-amz-copy-source-if-modified-since";
        assert_eq!(source(since, &at(0)), failed("x-amz-copy-source-If-Modified-Since"));
        let until = "x-amz-copy-source-if-unmodified-since";
        assert_eq!(source(until, &at(-1)), failed("x-amz-copy-source-If-Unmodified-Since"));
        // The conditions of GET are not those of a source.
        assert_eq!(source("if-match", "x"), Verdict::Proceed);
    }

    #[test]
    fn if_range_wants_the_very_same_object() {
        let holds = |value: &str| {
            let parsed = read("GET /bucket/key", &[("if-range", value)], IfRange::parse).expect("sound");
            parsed.expect("there").holds(ETAG, MODIFIED)
        };
        assert!(holds(ETAG) && holds(&format!("\"{ETAG}\"")) && holds(&at(0)));
        assert!(!holds("x") && !holds(&format!("W/\"{ETAG}\"")) && !holds(&at(1)) && !holds(&at(-1)) && !holds("*"));
    }

    fn write(headers: &[(&str, &str)]) -> Result<WriteCondition, S3Fault> {
        read("PUT /bucket/key", headers, WriteCondition::parse)
    }

    #[test]
    fn conditions_of_writes() {
        assert_eq!(write(&[]), Ok(WriteCondition::None));
        assert_eq!(write(&[("if-none-match", "*")]), Ok(WriteCondition::Absent));
        assert_eq!(write(&[("if-match", "*")]), Ok(WriteCondition::Present));
        let matches = WriteCondition::Matches(EtagMatch::parse("a"));
        assert_eq!(write(&[("if-match", "\"a\"")]), Ok(matches));
    }

    #[test]
    fn guards_that_cannot_be_kept_are_refused_and_never_dropped() {
        for headers in [
            &[("if-none-match", "\"a\"")][..],
            &[("if-none-match", "*"), ("if-match", "a")],
            &[("if-modified-since", "x")],
            &[("if-unmodified-since", "x")],
        ] {
            assert!(matches!(write(headers), Err(S3Fault::HeaderNotImplemented { .. })), "{headers:?}");
        }
        let delete = read("DELETE /bucket/key", &[("if-none-match", "*")], WriteCondition::parse_delete);
        assert!(matches!(delete, Err(S3Fault::HeaderNotImplemented { .. })));
        let delete = read("DELETE /bucket/key", &[("if-match", "*")], WriteCondition::parse_delete);
        assert_eq!(delete, Ok(WriteCondition::Present));
    }

    #[test]
    fn debug_shows_no_etag() {
        assert!(!format!("{:?}", EtagMatch::parse(ETAG)).contains("0123"));
    }
}
