//! What the listings share: limits, encoding, markers and the continuation token.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::limits::MAX_LIST_ENTRIES;

use super::fault::S3Fault;
use super::headers::RequestView;

/// S3 leaves these as they are under encoding-type=url. A space becomes `%20`, which every client decodes, where AWS
/// writes `+`, which some do not.
pub(super) const KEEP: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');

/// How keys are written in a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyEncoding {
    /// As they are; what XML 1.0 cannot hold becomes a character reference, as in S3.
    #[default]
    Plain,
    /// Percent-encoded: `encoding-type=url`.
    Url,
}

impl KeyEncoding {
    /// Reads encoding-type.
    pub(super) fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        match request.parameter("encoding-type") {
            None => Ok(Self::Plain),
            Some(url) if url.eq_ignore_ascii_case("url") => Ok(Self::Url),
            Some(other) => {
                Err(S3Fault::argument("encoding-type", other, "Invalid Encoding Method specified in Request"))
            }
        }
    }

    /// A key, prefix, delimiter or marker as this listing writes it.
    pub fn apply<'a>(self, text: &'a str) -> Cow<'a, str> {
        match self {
            Self::Plain => Cow::Borrowed(text),
            Self::Url => utf8_percent_encode(text, KEEP).into(),
        }
    }
}

/// Reads max-keys and its kin: absent is 1000, more than 1000 is 1000 (and is answered as 1000), 0 is legal.
pub(super) fn max_entries(request: &RequestView<'_>, name: &'static str) -> Result<u32, S3Fault> {
    let Some(text) = request.parameter(name) else { return Ok(MAX_LIST_ENTRIES) };
    let number = number(text).filter(|number| i32::try_from(*number).is_ok());
    let number =
        number.ok_or_else(|| S3Fault::argument(name, text, "Provided value not an integer or within integer range"))?;
    Ok(number.min(MAX_LIST_ENTRIES))
}

/// Digits only: `+5` is no number here.
pub(super) fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Reads a parameter that is text and may be empty, which is as good as absent.
pub(super) fn text(request: &RequestView<'_>, name: &str) -> Option<String> {
    request.parameter(name).map(str::to_owned)
}

/// Where ListObjectsV2 goes on: after this key or common prefix. Clients must not look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinuationToken {
    /// The last key or common prefix of the page before.
    pub after: String,
}

/// First byte of the token, so that another meaning can be told apart later.
const TOKEN_VERSION: u8 = 1;

impl ContinuationToken {
    /// The token as a client gets it.
    pub fn encode(&self) -> String {
        let mut bytes = vec![TOKEN_VERSION];
        bytes.extend_from_slice(self.after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A token that came back.
    pub(super) fn decode(token: &str) -> Result<Self, S3Fault> {
        let refuse = || S3Fault::argument("continuation-token", token, "The continuation token provided is incorrect");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refuse())?;
        let (version, after) = bytes.split_first().ok_or_else(refuse)?;
        let after = std::str::from_utf8(after).map_err(|_| refuse())?;
        if *version != TOKEN_VERSION {
            return Err(refuse());
        }
        Ok(Self { after: after.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{ContinuationToken, KeyEncoding, max_entries};
    use crate::s3::S3Fault;
    use crate::s3::sample::read;

    use percent_encoding::percent_decode_str;
    use proptest::prelude::{any, proptest};

    fn max_keys(value: &str) -> Result<u32, S3Fault> {
        read(&format!("GET /bucket?max-keys={value}"), &[], |view| max_entries(view, "max-keys"))
    }

    #[test]
    fn max_keys_is_clamped_or_refused() {
        for (value, expected) in [("", 1000), ("0", 0), ("1", 1), ("1000", 1000), ("1001", 1000), ("2147483647", 1000)]
        {
            assert_eq!(max_keys(value), Ok(expected), "{value}");
        }
        for value in ["-1", "+1", "x", "1.5", "2147483648", "99999999999999999999", "%20"] {
            assert!(matches!(max_keys(value), Err(S3Fault::InvalidArgument { .. })), "{value}");
        }
    }

    #[test]
    fn encoding_type_is_url_or_nothing() {
        let parse = |value: &str| read(&format!("GET /bucket?encoding-type={value}"), &[], KeyEncoding::parse);
        assert_eq!(parse(""), Ok(KeyEncoding::Plain));
        assert_eq!(parse("url"), Ok(KeyEncoding::Url));
        assert!(matches!(parse("base64"), Err(S3Fault::InvalidArgument { .. })));
    }

    #[test]
    fn encoded_keys_hold_no_plus_and_keep_their_slashes() {
        assert_eq!(KeyEncoding::Url.apply("a b+c/ä%\u{1}&<"), "a%20b%2Bc/%C3%A4%25%01%26%3C");
        assert_eq!(KeyEncoding::Plain.apply("a b+c"), "a b+c");
    }

    #[test]
    fn tokens_that_are_not_ours_are_refused() {
        // Not base64url; empty; another version; not UTF-8.
        for token in ["%", "abc=", "", "Am", "Af8", "key"] {
            let fault = ContinuationToken::decode(token);
            assert!(matches!(fault, Err(S3Fault::InvalidArgument { .. })), "{token}");
        }
    }

    proptest! {
        #[test]
        fn tokens_come_back(after in any::<String>()) {
            let token = ContinuationToken { after };
            assert_eq!(ContinuationToken::decode(&token.encode()), Ok(token));
        }

        #[test]
        fn encoded_keys_come_back_by_either_decoding(key in any::<String>()) {
            let encoded = KeyEncoding::Url.apply(&key).into_owned();
            assert!(!encoded.contains('+'));
            assert_eq!(percent_decode_str(&encoded).decode_utf8().expect("UTF-8"), key);
        }

        #[test]
        fn any_token_is_answered(token in any::<String>()) {
            let _ = ContinuationToken::decode(&token);
        }
    }
}
