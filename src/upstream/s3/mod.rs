//! Any S3 service over HTTP(S).

use async_trait::async_trait;

use crate::base::{BucketName, Clock, ObjectKey};

use super::{
    Capabilities, DeleteReply, GetReply, ListPage, ListRequest, ListedUpload, ObjectRef, PutBody, StoredFacts,
    StoredPart, StoredRange, Tags, UploadRef, Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

mod settings;

pub use settings::{
    Addressing, CredentialsSource, Endpoint, EndpointFault, PayloadMode, S3Settings, Scheme, StaticCredentials,
};

const NOT_YET: UpstreamError = UpstreamError::Unsupported("S3 upstreams are being built");

/// Why an S3 upstream cannot be opened. The service itself is not asked.
#[derive(Debug, thiserror::Error)]
pub enum S3OpenError {
    /// Credentials could not be read.
    #[error("credentials: {0}")]
    Credentials(String),
    /// The authorities to trust could not be read.
    #[error("trusted authorities: {0}")]
    Authorities(String),
    /// Virtual-host addressing of an IP address.
    #[error("virtual-host addressing needs an endpoint with a host name")]
    VirtualHost,
}

/// An S3 service.
pub struct S3Upstream {
    _settings: S3Settings,
    _clock: Clock,
}

impl S3Upstream {
    /// Reads credentials and authorities; connects on first use.
    pub async fn open(settings: S3Settings, clock: Clock) -> Result<Self, S3OpenError> {
        Ok(Self { _settings: settings, _clock: clock })
    }

    /// What a probe found out; before, everything that S3 can do is assumed.
    pub fn learn(&self, _capabilities: Capabilities) {}

    /// How many milliseconds the service's clock was ahead of ours when it last answered (its dates have whole seconds).
    pub fn clock_skew_ms(&self) -> Option<i64> {
        None
    }
}

#[async_trait]
#[rustfmt::skip]
impl Upstream for S3Upstream {
    fn capabilities(&self) -> Capabilities { Capabilities::ALL }
    async fn create_bucket(&self, _: &BucketName) -> Result<(), UpstreamError> { Err(NOT_YET) }
    async fn delete_bucket(&self, _: &BucketName) -> Result<(), UpstreamError> { Err(NOT_YET) }
    async fn head_bucket(&self, _: &BucketName) -> Result<(), UpstreamError> { Err(NOT_YET) }
    async fn put_object(&self, _: &BucketName, _: &ObjectKey, _: PutBody<'_>, _: WriteCondition, _: &Tags) -> Result<StoredFacts, UpstreamError> { Err(NOT_YET) }
    async fn get_object(&self, _: &ObjectRef, _: StoredRange, _: Option<&UpstreamEtag>) -> Result<GetReply, UpstreamError> { Err(NOT_YET) }
    async fn head_object(&self, _: &ObjectRef) -> Result<StoredFacts, UpstreamError> { Err(NOT_YET) }
    async fn delete_object(&self, _: &ObjectRef, _: WriteCondition) -> Result<DeleteReply, UpstreamError> { Err(NOT_YET) }
    async fn delete_objects(&self, _: &BucketName, _: &[ObjectRef]) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError> { Err(NOT_YET) }
    async fn list_objects(&self, _: &BucketName, _: &ListRequest) -> Result<ListPage, UpstreamError> { Err(NOT_YET) }
    async fn get_tags(&self, _: &ObjectRef) -> Result<Tags, UpstreamError> { Err(NOT_YET) }
    async fn put_tags(&self, _: &ObjectRef, _: &Tags) -> Result<(), UpstreamError> { Err(NOT_YET) }
    async fn create_multipart(&self, _: &BucketName, _: &ObjectKey, _: &Tags) -> Result<UploadRef, UpstreamError> { Err(NOT_YET) }
    async fn upload_part(&self, _: &UploadRef, _: u16, _: PutBody<'_>) -> Result<StoredPart, UpstreamError> { Err(NOT_YET) }
    async fn upload_part_copy(&self, _: &UploadRef, _: u16, _: &ObjectRef, _: StoredRange, _: Option<&UpstreamEtag>) -> Result<StoredPart, UpstreamError> { Err(NOT_YET) }
    async fn list_parts(&self, _: &UploadRef, _: u16, _: u32) -> Result<Vec<StoredPart>, UpstreamError> { Err(NOT_YET) }
    async fn complete_multipart(&self, _: &UploadRef, _: &[(u16, UpstreamEtag)], _: WriteCondition) -> Result<StoredFacts, UpstreamError> { Err(NOT_YET) }
    async fn abort_multipart(&self, _: &UploadRef) -> Result<(), UpstreamError> { Err(NOT_YET) }
    async fn list_uploads(&self, _: &BucketName, _: Option<(&str, &str)>, _: u32) -> Result<Vec<ListedUpload>, UpstreamError> { Err(NOT_YET) }
}
