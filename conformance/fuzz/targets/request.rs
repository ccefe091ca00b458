//! A request's head: request line, host, query, and the headers of its operation.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crypt_keeper::base::limits::MAX_KEY_BYTES;
use crypt_keeper::s3::request::{
    BucketRequest, CompleteMultipartUploadRequest, CopyObjectRequest, CreateBucketRequest,
    CreateMultipartUploadRequest, DeleteObjectRequest, DeleteObjectsRequest, GetObjectRequest, ListBucketsRequest,
    ListMultipartUploadsRequest, ListObjectsRequest, ListObjectsV2Request, ListPartsRequest, ObjectRequest,
    PutObjectRequest, PutObjectTaggingRequest, UploadPartCopyRequest, UploadPartRequest, UploadRequest,
};
use crypt_keeper::s3::{Addressing, Operation, RequestView, S3Fault, Target, parse};

use super::Outcome;

/// The domain below which hosts are buckets.
const DOMAIN: &str = "s3.test";

/// A head as text: `METHOD target` (and a version, for all it matters), then `name: value` lines. `None` where hyper would
/// not have let it through.
pub(super) fn head(text: &[u8]) -> Option<Parts> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
    let (method, uri) = (method.parse::<Method>().ok()?, target.parse::<Uri>().ok()?);
    let mut parts = Request::builder().method(method).uri(uri).body(()).ok()?.into_parts().0;
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = line[colon + 1..].trim_ascii();
        parts.headers.append(HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(parts)
}

/// Reads a request of this line and these headers, as a typed request does.
pub(super) fn view<T>(
    method: Method,
    target: &'static str,
    headers: &[(&'static str, &[u8])],
    read: impl FnOnce(&RequestView<'_>) -> Result<T, S3Fault>,
) -> Option<T> {
    let mut map = HeaderMap::new();
    map.insert(HOST, HeaderValue::from_static("localhost"));
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_bytes(value).ok()?);
    }
    let parsed = parse(&method, &Uri::from_static(target), &map, &Addressing::default()).ok()?;
    read(&RequestView::new(&parsed, &map).ok()?).ok()
}

/// Routed without a panic; the key keeps every byte, and spelled in another way it is the same one.
pub(super) fn request(input: &[u8]) -> Outcome {
    let Some(parts) = head(input) else { return Outcome::Refused };
    let addressing = Addressing::new([DOMAIN.to_owned()]);
    let Ok(parsed) = parse(&parts.method, &parts.uri, &parts.headers, &addressing) else { return Outcome::Refused };
    if let Target::Object { bucket, key } = &parsed.target {
        assert!((1..=MAX_KEY_BYTES).contains(&key.as_bytes().len()));
        let path = format!("/{}/{}", encoded(bucket.as_str()), encoded(key.as_str()));
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        let again = Target::parse(&path.parse().expect("a path"), &headers, &addressing);
        assert_eq!(again.as_ref(), Ok(&parsed.target), "every byte of it escaped, it is the same target");
    }
    let Ok(view) = RequestView::new(&parsed, &parts.headers) else { return Outcome::Refused };
    typed(&view).is_ok().into()
}

fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string()
}

/// The typed request of the operation, as the gateway reads it.
fn typed(view: &RequestView<'_>) -> Result<(), S3Fault> {
    match view.operation() {
        Operation::ListBuckets => ListBucketsRequest::parse(view).map(drop),
        Operation::CreateBucket => CreateBucketRequest::parse(view).map(drop),
        Operation::HeadBucket
        | Operation::GetBucketLocation
        | Operation::GetBucketVersioning
        | Operation::DeleteBucket => BucketRequest::parse(view).map(drop),
        Operation::ListObjects => ListObjectsRequest::parse(view).map(drop),
        Operation::ListObjectsV2 => ListObjectsV2Request::parse(view).map(drop),
        Operation::DeleteObjects => DeleteObjectsRequest::parse(view).map(drop),
        Operation::GetObject | Operation::HeadObject => GetObjectRequest::parse(view).map(drop),
        Operation::PutObject => PutObjectRequest::parse(view).map(drop),
        Operation::CopyObject => CopyObjectRequest::parse(view).map(drop),
        Operation::DeleteObject => DeleteObjectRequest::parse(view).map(drop),
        Operation::GetObjectTagging | Operation::DeleteObjectTagging => ObjectRequest::parse(view).map(drop),
        Operation::PutObjectTagging => PutObjectTaggingRequest::parse(view).map(drop),
        Operation::CreateMultipartUpload => CreateMultipartUploadRequest::parse(view).map(drop),
        Operation::UploadPart => UploadPartRequest::parse(view).map(drop),
        Operation::UploadPartCopy => UploadPartCopyRequest::parse(view).map(drop),
        Operation::ListParts => ListPartsRequest::parse(view).map(drop),
        Operation::ListMultipartUploads => ListMultipartUploadsRequest::parse(view).map(drop),
        Operation::CompleteMultipartUpload => CompleteMultipartUploadRequest::parse(view).map(drop),
        Operation::AbortMultipartUpload => UploadRequest::parse(view).map(drop),
        other => Err(S3Fault::OperationNotImplemented(other)),
    }
}
