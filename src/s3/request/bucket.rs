//! Requests to the service and to whole buckets.

use crate::base::BucketName;

use crate::s3::checksum::BodyChecksums;
use crate::s3::fault::S3Fault;
use crate::s3::headers::RequestView;
use crate::s3::listing::{ContinuationToken, number, text};

/// S3: ListBuckets returns at most this many.
const MAX_LIST_BUCKETS: u32 = 10_000;

/// ListBuckets, with the pages that it has had since 2024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListBucketsRequest {
    /// Only names that start with it.
    pub prefix: Option<String>,
    /// At most this many, 1 to 10,000; `None` is all of them on one page.
    pub max_buckets: Option<u32>,
    /// Only names after this one.
    pub continuation: Option<ContinuationToken>,
    /// Only buckets of this region.
    pub bucket_region: Option<String>,
}

impl ListBucketsRequest {
    /// Reads the query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let limit = |text: &str| {
            let limit = number(text).filter(|number| (1..=MAX_LIST_BUCKETS).contains(number));
            limit.ok_or_else(|| S3Fault::argument("max-buckets", text, "max-buckets must be between 1 and 10000"))
        };
        Ok(Self {
            prefix: text(request, "prefix"),
            max_buckets: request.parameter("max-buckets").map(limit).transpose()?,
            continuation: request.parameter("continuation-token").map(ContinuationToken::decode).transpose()?,
            bucket_region: text(request, "bucket-region"),
        })
    }
}

/// HeadBucket, DeleteBucket, GetBucketLocation, GetBucketVersioning: nothing but the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRequest {
    /// Which.
    pub bucket: BucketName,
}

impl BucketRequest {
    /// Reads the target.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Ok(Self { bucket: request.bucket()? })
    }
}

/// CreateBucket; its body may be a CreateBucketConfiguration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBucketRequest {
    /// Which.
    pub bucket: BucketName,
    /// Of the body.
    pub checksums: BodyChecksums,
}

impl CreateBucketRequest {
    /// Reads target and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        Ok(Self { bucket: request.bucket()?, checksums: BodyChecksums::parse(request)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{BucketRequest, CreateBucketRequest, ListBucketsRequest};
    use crate::s3::S3Fault;
    use crate::s3::listing::ContinuationToken;
    use crate::s3::sample::read;

    #[test]
    fn an_impossible_name_is_a_fault_of_create_and_no_such_bucket_elsewhere() {
        let name = "Upper_Case".to_owned();
        let create = read("PUT /Upper_Case", &[], CreateBucketRequest::parse);
        assert_eq!(create, Err(S3Fault::InvalidBucketName { name: name.clone() }));
        for line in ["HEAD /Upper_Case", "DELETE /Upper_Case", "GET /Upper_Case?location", "GET /Upper_Case?versioning"]
        {
            assert_eq!(
                read(line, &[], BucketRequest::parse),
                Err(S3Fault::NoSuchBucket { name: name.clone() }),
                "{line}"
            );
        }
        assert_eq!(
            read("HEAD /bucket/", &[], BucketRequest::parse).map(|r| r.bucket.to_string()),
            Ok("bucket".to_owned())
        );
    }

    #[test]
    fn list_buckets_has_pages() {
        let request = read("GET /", &[], ListBucketsRequest::parse).expect("sound");
        assert_eq!((request.prefix, request.max_buckets, request.continuation), (None, None, None));
        let token = ContinuationToken { after: "b-1".to_owned() };
        let line = format!("GET /?prefix=b&max-buckets=2&bucket-region=eu&continuation-token={}", token.encode());
        let request = read(&line, &[], ListBucketsRequest::parse).expect("sound");
        assert_eq!((request.max_buckets, request.continuation), (Some(2), Some(token)));
        for max in ["0", "10001", "x"] {
            let fault = read(&format!("GET /?max-buckets={max}"), &[], ListBucketsRequest::parse);
            assert!(matches!(fault, Err(S3Fault::InvalidArgument { .. })), "{max}");
        }
    }
}
