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
