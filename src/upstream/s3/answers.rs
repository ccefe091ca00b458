//! The readers of what the service answers, each by itself: for the fuzz targets (`conformance/fuzz`), which are outside
//! of this package. Nothing else uses them, and they are no part of the API.

use crate::base::BucketName;
use crate::upstream::{
    DeleteReply, ListPage, ListRequest, ListedUpload, StoredPart, UpstreamError, UpstreamEtag, UpstreamUploadId,
};

use super::fault::{About, Refusal};
use super::http::{Asked, Framing, Parsed, parse};
use super::{delete_objects, list, list_uploads, multipart};

/// What stands at the start of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// Not all of a head yet.
    Partial,
    /// A 1xx answer of so many bytes.
    Interim(usize),
    /// The head of the answer.
    Final {
        /// How long it is, in bytes.
        len: usize,
        /// Its status.
        status: u16,
        /// Where its body ends.
        body: Body,
    },
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// After so many bytes.
    Length(u64),
    /// After its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The head of an answer to `HEAD`, or to another method.
///
/// # Errors
/// What is not HTTP/1.1, or leaves the length of its body in doubt.
pub fn head(bytes: &[u8], to_head: bool) -> Result<Head, UpstreamError> {
    Ok(match parse(bytes, if to_head { Asked::Head } else { Asked::Other })? {
        Parsed::Partial => Head::Partial,
        Parsed::Interim(len, _) => Head::Interim(len),
        Parsed::Final(head, len) => {
            let body = match head.framing {
                Framing::Length(bytes) => Body::Length(bytes),
                Framing::Chunked => Body::Chunked,
                Framing::UntilClose => Body::UntilClose,
            };
            Head::Final { len, status: head.status, body }
        }
    })
}

/// One answer to ListObjectsV2.
///
/// # Errors
/// What is no such answer, or none to this request.
pub fn list(document: &[u8], request: &ListRequest) -> Result<ListPage, UpstreamError> {
    list::page(document, request)
}

/// One answer to ListParts, and whether there are more.
///
/// # Errors
/// What is no such answer, or not in the order of numbers.
pub fn parts(document: &[u8], after: u16) -> Result<(Vec<StoredPart>, bool), UpstreamError> {
    let mut parts = Vec::new();
    let truncated = list_uploads::read_parts(document, after, &mut parts)?;
    Ok((parts, truncated))
}

/// One answer to ListMultipartUploads.
///
/// # Errors
/// What is no such answer.
pub fn uploads(document: &[u8], bucket: &BucketName) -> Result<Vec<ListedUpload>, UpstreamError> {
    Ok(list_uploads::read_uploads(document, bucket)?.uploads)
}

/// What an answer to CreateMultipartUpload calls the upload.
///
/// # Errors
/// What is no such answer.
pub fn upload_id(document: &[u8]) -> Result<UpstreamUploadId, UpstreamError> {
    multipart::read_upload_id(document)
}

/// What an answer to CompleteMultipartUpload says, which may be a failure with status 200.
///
/// # Errors
/// The failure, and what is neither.
pub fn completed(document: &[u8]) -> Result<UpstreamEtag, UpstreamError> {
    let outcome = multipart::Outcome::read(document, multipart::COMPLETED)?;
    outcome.map(|outcome| outcome.etag).map_err(|refusal| refusal.error(About::Upload))
}

/// What became of an object, by an answer to DeleteObjects.
pub type Deleted = ((String, String), Result<DeleteReply, UpstreamError>);

/// An answer to DeleteObjects: of each key and version, what became of it. Sorted by them.
///
/// # Errors
/// What is no such answer.
pub fn deleted(document: &[u8]) -> Result<Vec<Deleted>, UpstreamError> {
    let mut told: Vec<Deleted> = delete_objects::read(document)?
        .into_iter()
        .map(|(name, outcome)| (name, outcome.map_err(|refusal| refusal.error(About::Object))))
        .collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(told)
}

/// What a refusal of a request about an object means.
pub fn refusal(status: u16, region: Option<&str>, document: &[u8]) -> UpstreamError {
    Refusal::read(status, region, document).error(About::Object)
}
