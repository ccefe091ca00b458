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

#[cfg(test)]
mod tests {
    use super::{MAX_TAGS, TagSet};
    use crate::s3::S3Fault;
    use crate::s3::sample::read;

    fn header(value: &str) -> Result<Vec<(String, String)>, S3Fault> {
        read("PUT /bucket/key", &[("x-amz-tagging", value)], TagSet::parse_header).map(TagSet::into_pairs)
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    fn set(key: &str, value: &str) -> Result<TagSet, S3Fault> {
        TagSet::new(vec![pair(key, value)])
    }

    #[test]
    fn the_header_is_form_encoded() {
        assert_eq!(header("a=1&b"), Ok(vec![pair("a", "1"), pair("b", "")]));
        assert_eq!(header("a+b=c%20d%2B"), Ok(vec![pair("a b", "c d+")]));
        assert_eq!(header(""), Ok(Vec::new()));
        assert_eq!(header("k%C3%A9y=a=b"), Ok(vec![pair("kéy", "a=b")]));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused() {
        for value in ["a=%", "a=%zz", "a=%ff", "a=1&a=2"] {
            assert_eq!(header(value), Err(S3Fault::InvalidTaggingHeader { value: value.to_owned() }));
        }
    }

    #[test]
    fn ten_tags_and_no_more() {
        let tags = |count: usize| (0..count).map(|n| format!("k{n}=v&")).collect::<String>();
        assert_eq!(header(&tags(MAX_TAGS)).map(|tags| tags.len()), Ok(10));
        assert!(matches!(header(&tags(MAX_TAGS + 1)), Err(S3Fault::TooManyTags { .. })));
        assert!(matches!(header(&tags(500)), Err(S3Fault::TooManyTags { .. })));
    }

    #[test]
    fn lengths_count_characters() {
        assert!(set(&"é".repeat(128), &"é".repeat(256)).is_ok());
        assert!(matches!(set(&"a".repeat(129), ""), Err(S3Fault::InvalidTag { .. })));
        assert!(matches!(set("a", &"a".repeat(257)), Err(S3Fault::InvalidTag { .. })));
        assert!(matches!(set("", "a"), Err(S3Fault::InvalidTag { .. })));
    }

    #[test]
    fn characters_and_system_tags_are_refused() {
        assert!(set("a+-=._:/@ Z9", "+-=._:/@ ").is_ok());
        for key in ["a&b", "a<", "a\n", "a\t", "aws:x", "AWS:x", "a?", "a\u{7f}"] {
            assert!(matches!(set(key, "v"), Err(S3Fault::InvalidTag { .. })), "{key}");
        }
        assert!(set("éaws:", "").is_ok());
    }
}
