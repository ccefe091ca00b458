//! What a client says about an object: content headers and user metadata. Sealed in the manifest, returned as sent.
//!
//! Values are bytes: clients send raw UTF-8 or RFC 2047, and get the same bytes back. None of it may reach a log.

use std::fmt;

use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES};

use crate::base::limits::MAX_USER_METADATA_BYTES;

use super::fault::S3Fault;
use super::headers::{METADATA_PREFIX, RequestView};

/// The six headers that S3 keeps with an object.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContentHeaders {
    /// Content-Type; absent, S3 answers `binary/octet-stream`.
    pub content_type: Option<Vec<u8>>,
    /// Content-Encoding, without aws-chunked, which is framing.
    pub content_encoding: Option<Vec<u8>>,
    /// Content-Language.
    pub content_language: Option<Vec<u8>>,
    /// Content-Disposition.
    pub content_disposition: Option<Vec<u8>>,
    /// Cache-Control.
    pub cache_control: Option<Vec<u8>>,
    /// Expires, as sent: S3 does not check that it is a date.
    pub expires: Option<Vec<u8>>,
}

impl ContentHeaders {
    /// Reads them from a request that stores an object.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let header = |name: HeaderName| Ok(request.header(name.as_str())?.map(|value| value.into_owned()));
        Ok(Self {
            content_type: header(CONTENT_TYPE)?,
            content_encoding: header(CONTENT_ENCODING)?.and_then(without_framing),
            content_language: header(CONTENT_LANGUAGE)?,
            content_disposition: header(CONTENT_DISPOSITION)?,
            cache_control: header(CACHE_CONTROL)?,
            expires: header(EXPIRES)?,
        })
    }

    /// Each with its header's name; those that are absent are left out.
    pub fn present(&self) -> impl Iterator<Item = (HeaderName, &[u8])> {
        [
            (CONTENT_TYPE, &self.content_type),
            (CONTENT_ENCODING, &self.content_encoding),
            (CONTENT_LANGUAGE, &self.content_language),
            (CONTENT_DISPOSITION, &self.content_disposition),
            (CACHE_CONTROL, &self.cache_control),
            (EXPIRES, &self.expires),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// `aws-chunked` describes how the body travelled, not the object: kept, clients refuse the object (versitygw#2427).
fn without_framing(value: Vec<u8>) -> Option<Vec<u8>> {
    let is_framing = |token: &&[u8]| token.trim_ascii().eq_ignore_ascii_case(b"aws-chunked");
    if !value.split(|byte| *byte == b',').any(|token| is_framing(&token)) {
        return Some(value);
    }
    let kept: Vec<&[u8]> = value.split(|byte| *byte == b',').filter(|token| !is_framing(token)).collect();
    let kept = kept.join(&b',').trim_ascii().to_vec();
    (!kept.is_empty()).then_some(kept)
}

impl fmt::Debug for ContentHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.present().map(|(name, _)| name)).finish()
    }
}

/// User metadata: names without `x-amz-meta-`, lower case, in byte order; values as sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserMetadata(Vec<(String, Vec<u8>)>);

impl UserMetadata {
    /// Reads them from a request that stores an object, repeated ones joined.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let mut pairs = Vec::new();
        let mut bytes: usize = 0;
        for header in request.names(METADATA_PREFIX) {
            let name = &header[METADATA_PREFIX.len()..];
            if name.is_empty() {
                return Err(S3Fault::argument(METADATA_PREFIX, "", "The metadata has no name."));
            }
            let value = request.header(header)?.unwrap_or_default().into_owned();
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            pairs.push((name.to_owned(), value));
        }
        if bytes > MAX_USER_METADATA_BYTES {
            return Err(S3Fault::MetadataTooLarge { bytes });
        }
        Ok(Self(pairs))
    }

    /// From what was stored.
    pub fn from_pairs(pairs: Vec<(String, Vec<u8>)>) -> Self {
        Self(pairs)
    }

    /// Name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// To be stored.
    pub fn into_pairs(self) -> Vec<(String, Vec<u8>)> {
        self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for UserMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserMetadata({} entries)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentHeaders, UserMetadata};
    use crate::s3::S3Fault;
    use crate::s3::sample::{Sample, read};

    const PUT: &str = "PUT /bucket/key";

    fn encoding(value: &str) -> Option<String> {
        let content = read(PUT, &[("content-encoding", value)], ContentHeaders::parse).expect("sound");
        content.content_encoding.map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn aws_chunked_is_framing_and_not_stored() {
        for (sent, stored) in [
            ("aws-chunked", None),
            ("AWS-Chunked", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("gzip,aws-chunked, br", Some("gzip, br")),
            ("gzip", Some("gzip")),
            ("gzip , br", Some("gzip , br")),
            ("xaws-chunked", Some("xaws-chunked")),
        ] {
            assert_eq!(encoding(sent).as_deref(), stored, "{sent}");
        }
    }

    #[test]
    fn all_six_content_headers_are_kept_as_sent() {
        let sent = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-encoding", "br"),
            ("content-language", "de, en"),
            ("content-disposition", "attachment; filename=\"ä.txt\""),
            ("cache-control", "no-cache"),
            ("expires", "not a date"),
        ];
        let content = read(PUT, &sent, ContentHeaders::parse).expect("sound");
        let present: Vec<_> = content.present().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
        let expected = sent.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        assert_eq!(present, expected);
        assert!(!format!("{content:?}").contains("no-cache"));
    }

    #[test]
    fn metadata_is_kept_byte_by_byte() {
        let mut sample = Sample::new(PUT, &[("X-Amz-Meta-B", "=?UTF-8?B?w6Q=?="), ("x-amz-meta-a", "ä")]);
        sample.append_bytes("x-amz-meta-c", b"\xff\xfe");
        let metadata = UserMetadata::parse(&sample.view().expect("sound")).expect("sound");
        let pairs: Vec<_> = metadata.iter().collect();
        assert_eq!(pairs, [("a", "ä".as_bytes()), ("b", b"=?UTF-8?B?w6Q=?=" as &[u8]), ("c", b"\xff\xfe")]);
        assert_eq!(format!("{metadata:?}"), "UserMetadata(3 entries)");
    }

    #[test]
    fn repeated_metadata_is_joined_and_hoisted_metadata_counts() {
        let sent = [("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")];
        let metadata = read("PUT /bucket/key?X-Amz-Meta-B=3", &sent, UserMetadata::parse).expect("sound");
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("a", b"1,2" as &[u8]), ("b", b"3")]);
    }

    #[test]
    fn metadata_has_at_most_2048_bytes_of_names_and_values() {
        let parse = |value: &str| read(PUT, &[("x-amz-meta-name", value)], UserMetadata::parse);
        assert!(parse(&"v".repeat(2044)).is_ok());
        assert_eq!(parse(&"v".repeat(2045)), Err(S3Fault::MetadataTooLarge { bytes: 2049 }));
    }

    #[test]
    fn metadata_without_a_name_is_refused() {
        let fault = read(PUT, &[("x-amz-meta-", "v")], UserMetadata::parse);
        assert!(matches!(fault, Err(S3Fault::InvalidArgument { .. })));
    }
}
