//! ListObjects and ListObjectsV2.

use crate::base::BucketName;

use crate::s3::fault::S3Fault;
use crate::s3::headers::RequestView;
use crate::s3::listing::{ContinuationToken, KeyEncoding, max_entries, text};

/// ListObjects, the first version. It always shows owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjectsRequest {
    /// Which bucket.
    pub bucket: BucketName,
    /// Only keys that start with it; empty is all.
    pub prefix: String,
    /// Rolls keys up; of any length, never empty.
    pub delimiter: Option<String>,
    /// Only keys and common prefixes after this one.
    pub marker: Option<String>,
    /// 0 to 1000.
    pub max_keys: u32,
    /// How keys are written.
    pub encoding: KeyEncoding,
}

impl ListObjectsRequest {
    /// Reads target and query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Ok(Self {
            bucket: request.bucket()?,
            prefix: text(request, "prefix").unwrap_or_default(),
            delimiter: text(request, "delimiter"),
            marker: text(request, "marker"),
            max_keys: max_entries(request, "max-keys")?,
            encoding: KeyEncoding::parse(request)?,
        })
    }
}

/// Whether ListObjectsV2 shows owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// fetch-owner absent or false.
    #[default]
    Omit,
    /// fetch-owner=true.
    Show,
}

/// ListObjectsV2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjectsV2Request {
    /// Which bucket.
    pub bucket: BucketName,
    /// Only keys that start with it; empty is all.
    pub prefix: String,
    /// Rolls keys up; of any length, never empty.
    pub delimiter: Option<String>,
    /// Only keys after this one; without effect beside a continuation token.
    pub start_after: Option<String>,
    /// Where to go on. S3 takes an empty one for none.
    pub continuation: Option<ContinuationToken>,
    /// The token as it was sent, to be answered.
    pub continuation_text: Option<String>,
    /// 0 to 1000.
    pub max_keys: u32,
    /// How keys are written.
    pub encoding: KeyEncoding,
    /// Whether owners are shown.
    pub owners: Owners,
}

impl ListObjectsV2Request {
    /// Reads target and query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Ok(Self {
            bucket: request.bucket()?,
            prefix: text(request, "prefix").unwrap_or_default(),
            delimiter: text(request, "delimiter"),
            start_after: text(request, "start-after"),
            continuation: request.parameter("continuation-token").map(ContinuationToken::decode).transpose()?,
            continuation_text: request.query().value("continuation-token").map(str::to_owned),
            max_keys: max_entries(request, "max-keys")?,
            encoding: KeyEncoding::parse(request)?,
            owners: owners(request)?,
        })
    }

    /// Only keys and common prefixes after this one.
    pub fn after(&self) -> Option<&str> {
        self.continuation.as_ref().map(|token| token.after.as_str()).or(self.start_after.as_deref())
    }
}

fn owners(request: &RequestView<'_>) -> Result<Owners, S3Fault> {
    match request.parameter("fetch-owner") {
        None => Ok(Owners::Omit),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Owners::Show),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Owners::Omit),
        Some(text) => Err(S3Fault::argument("fetch-owner", text, "fetch-owner is true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ListObjectsRequest, ListObjectsV2Request, Owners};
    use crate::s3::S3Fault;
    use crate::s3::listing::{ContinuationToken, KeyEncoding};
    use crate::s3::sample::read;

    fn v2(query: &str) -> Result<ListObjectsV2Request, S3Fault> {
        read(&format!("GET /bucket?list-type=2{query}"), &[], ListObjectsV2Request::parse)
    }

    #[test]
    fn parameters_are_optional_and_empty_ones_are_absent() {
        for query in ["", "&prefix=&delimiter=&start-after=&max-keys=&encoding-type=&fetch-owner="] {
            let request = v2(query).expect("sound");
            assert_eq!((request.prefix.as_str(), request.delimiter.as_deref(), request.after()), ("", None, None));
            assert_eq!((request.max_keys, request.encoding), (1000, KeyEncoding::Plain));
            assert_eq!(request.owners, Owners::Omit);
        }
    }

    #[test]
    fn a_delimiter_may_have_any_length() {
        let request =
            v2("&delimiter=%2F-%2F&prefix=a%20b&fetch-owner=true&encoding-type=url&max-keys=0").expect("sound");
        assert_eq!(request.delimiter.as_deref(), Some("/-/"));
        assert_eq!((request.prefix.as_str(), request.max_keys), ("a b", 0));
        assert_eq!((request.owners, request.encoding), (Owners::Show, KeyEncoding::Url));
    }

    #[test]
    fn a_continuation_token_beats_start_after() {
        let token = ContinuationToken { after: "m".to_owned() }.encode();
        let request = v2(&format!("&start-after=z&continuation-token={token}")).expect("sound");
        assert_eq!(request.after(), Some("m"));
        assert_eq!(request.continuation_text, Some(token));
        assert_eq!(v2("&start-after=z").expect("sound").after(), Some("z"));
        let empty = v2("&continuation-token=").expect("S3 takes an empty token for none");
        assert_eq!((empty.after(), empty.continuation_text.as_deref()), (None, Some("")));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for query in ["&continuation-token=x", "&fetch-owner=perhaps", "&max-keys=many", "&encoding-type=hex"] {
            assert!(matches!(v2(query), Err(S3Fault::InvalidArgument { .. })), "{query}");
        }
    }

    #[test]
    fn version_one_has_a_marker() {
        let request = read("GET /bucket?marker=a%2Fb&max-keys=7", &[], ListObjectsRequest::parse).expect("sound");
        assert_eq!((request.marker.as_deref(), request.max_keys), (Some("a/b"), 7));
    }
}
