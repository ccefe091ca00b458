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
