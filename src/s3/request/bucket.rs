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
