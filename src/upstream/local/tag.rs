//! Tags as one column: S3's own header form.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::upstream::{Tags, UpstreamError};

/// `name=value&name=value`, everything else percent-encoded.
pub(super) fn encode_tags(tags: &Tags) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let tags: Vec<String> = tags.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    tags.join("&")
}

/// The reverse.
pub(super) fn decode_tags(text: &str) -> Result<Tags, UpstreamError> {
    let broken = || UpstreamError::Broken("an object's tags cannot be read".into());
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| broken());
    let tag = |tag: &str| {
        let (name, value) = tag.split_once('=').ok_or_else(broken)?;
        Ok((decode(name)?, decode(value)?))
    };
    text.split('&').filter(|part| !part.is_empty()).map(tag).collect()
}
