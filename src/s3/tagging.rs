//! Object tags: S3's rules for them, and their form in a header.

use percent_encoding::percent_decode;

use super::fault::S3Fault;
use super::headers::RequestView;
use super::target::check_escapes;

/// S3: an object has at most ten tags.
pub const MAX_TAGS: usize = 10;
/// S3: a tag's key has at most 128 characters.
const MAX_TAG_KEY_CHARS: usize = 128;
/// S3: a tag's value has at most 256 characters.
const MAX_TAG_VALUE_CHARS: usize = 256;

/// Tags that keep S3's rules, in the client's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSet(Vec<(String, String)>);

impl TagSet {
    /// Checks number, lengths, characters and doubles.
    pub fn new(tags: Vec<(String, String)>) -> Result<Self, S3Fault> {
        if tags.len() > MAX_TAGS {
            return Err(S3Fault::TooManyTags { count: tags.len() });
        }
        for (at, (key, value)) in tags.iter().enumerate() {
            let invalid = |reason| Err(S3Fault::InvalidTag { key: key.clone(), reason });
            if key.is_empty() || key.chars().count() > MAX_TAG_KEY_CHARS || !key.chars().all(is_legal) {
                return invalid("The TagKey you have provided is invalid");
            }
            if value.chars().count() > MAX_TAG_VALUE_CHARS || !value.chars().all(is_legal) {
                return invalid("The TagValue you have provided is invalid");
            }
            if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
                return invalid("System tags cannot be added/updated by requester");
            }
            if tags[..at].iter().any(|(earlier, _)| earlier == key) {
                return invalid("Cannot provide multiple Tags with the same key");
            }
        }
        Ok(Self(tags))
    }

    /// Reads x-amz-tagging: `key=value&key=value`, form-encoded.
    pub fn parse_header(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let Some(header) = request.text("x-amz-tagging")? else { return Ok(Self::default()) };
        let unreadable = || S3Fault::InvalidTaggingHeader { value: header.to_string() };
        let mut tags: Vec<(String, String)> = Vec::new();
        for pair in header.split('&').filter(|pair| !pair.is_empty()) {
            if tags.len() > MAX_TAGS {
                break;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key).ok_or_else(unreadable)?, decode(value).ok_or_else(unreadable)?);
            if tags.iter().any(|(earlier, _)| *earlier == key) {
                return Err(unreadable());
            }
            tags.push((key, value));
        }
        Self::new(tags)
    }

    /// Key and value, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// To be stored.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Letters, digits, spaces and `+ - = . _ : / @` (AWS "Object tagging").
fn is_legal(c: char) -> bool {
    c.is_alphanumeric() || "+-=._:/@".contains(c) || (c.is_whitespace() && !c.is_control())
}

/// Here `+` is a space: it is a form's encoding, not the request's.
fn decode(text: &str) -> Option<String> {
    check_escapes(text).ok()?;
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(String::from)
}
