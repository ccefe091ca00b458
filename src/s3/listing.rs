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
