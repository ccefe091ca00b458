//! Any S3 service over HTTP(S).
//!
//! Requests are built from parsed parts ([`call`]), signed, and sent over connections of our own ([`http`]). What comes
//! back is read with limits and checked against what was asked for: the service need not be trusted. No redirect is
//! followed, nothing that it says reaches a client, and of its errors only the code reaches the log.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::base::{BucketName, Clock, ObjectKey, Timestamp};

use super::{
    Capabilities, DeleteReply, GetReply, ListPage, ListRequest, ListedUpload, ObjectRef, PutBody, StoredFacts,
    StoredPart, StoredRange, Tags, UploadRef, Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

#[doc(hidden)]
pub mod answers;
mod bucket;
mod buffers;
mod call;
mod client;
mod credentials;
mod delete_objects;
mod facts;
mod fault;
mod framing;
mod http;
mod list;
mod list_uploads;
mod multipart;
mod object;
mod probed;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod upload;
mod xml;

pub use probed::ProbedService;
pub use settings::{
    Addressing, CredentialsSource, Endpoint, EndpointFault, PayloadMode, S3Settings, Scheme, StaticCredentials,
};

use client::Client;

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
    /// A region that cannot be signed for.
    #[error("the region must be letters, digits, dots, dashes or underscores")]
    Region,
}

/// An S3 service.
pub struct S3Upstream {
    client: Arc<Client>,
    clock: Clock,
    payload: PayloadMode,
    capabilities: RwLock<Capabilities>,
}

impl S3Upstream {
    /// Reads credentials and authorities; connects on first use. It can do nothing that needs a proof before
    /// [`S3Upstream::learn`] was told.
    ///
    /// # Errors
    /// Settings that cannot be used. Whether the service is there, and lets us in, is not asked here.
    pub async fn open(settings: S3Settings, clock: Clock) -> Result<Self, S3OpenError> {
        let payload = settings.payload;
        let client = Arc::new(Client::open(settings, clock.clone()).await?);
        Ok(Self { client, clock, payload, capabilities: RwLock::new(Capabilities::PENDING) })
    }

    /// Sets what a probe has found out.
    pub fn learn(&self, capabilities: Capabilities) {
        *self.capabilities.write().unwrap_or_else(PoisonError::into_inner) = capabilities;
    }

    /// How many milliseconds the service's clock was ahead of ours when it last answered; its dates have whole
    /// seconds, so less than a second says nothing. `None` before its first answer.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.client.clock_skew_ms()
    }

    /// How a body goes up.
    fn payload_mode(&self) -> PayloadMode {
        match self.payload {
            PayloadMode::TrailerChecksum if self.capabilities().trailer_checksums => PayloadMode::TrailerChecksum,
            PayloadMode::TrailerChecksum | PayloadMode::Unsigned => PayloadMode::Unsigned,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Content-MD5 of a document of ours.
fn content_md5(document: &[u8]) -> String {
    STANDARD.encode(Md5::digest(document))
}

#[async_trait]
impl Upstream for S3Upstream {
    fn capabilities(&self) -> Capabilities {
        *self.capabilities.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        bucket::create(&self.client, bucket).await
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        bucket::delete(&self.client, bucket).await
    }

    async fn head_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        bucket::head(&self.client, bucket).await
    }

    async fn put_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError> {
        object::put(self, bucket, key, body, condition, tags).await
    }

    async fn get_object(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<GetReply, UpstreamError> {
        object::get(self, object, range, if_match).await
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<StoredFacts, UpstreamError> {
        object::head(self, object).await
    }

    async fn delete_object(&self, object: &ObjectRef, condition: WriteCondition) -> Result<DeleteReply, UpstreamError> {
        object::delete(self, object, condition).await
    }

    async fn delete_objects(
        &self,
        bucket: &BucketName,
        objects: &[ObjectRef],
    ) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError> {
        delete_objects::delete(self, bucket, objects).await
    }

    async fn list_objects(&self, bucket: &BucketName, request: &ListRequest) -> Result<ListPage, UpstreamError> {
        list::list(self, bucket, request).await
    }

    async fn get_tags(&self, object: &ObjectRef) -> Result<Tags, UpstreamError> {
        tags::get(self, object).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError> {
        tags::put(self, object, tags).await
    }

    async fn create_multipart(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: &Tags,
    ) -> Result<UploadRef, UpstreamError> {
        multipart::create(self, bucket, key, tags).await
    }

    async fn upload_part(
        &self,
        upload: &UploadRef,
        number: u16,
        body: PutBody<'_>,
    ) -> Result<StoredPart, UpstreamError> {
        multipart::put_part(self, upload, number, body).await
    }

    async fn upload_part_copy(
        &self,
        upload: &UploadRef,
        number: u16,
        source: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<StoredPart, UpstreamError> {
        multipart::copy_part(self, upload, number, source, range, if_match).await
    }

    async fn list_parts(&self, upload: &UploadRef, after: u16, max: u32) -> Result<Vec<StoredPart>, UpstreamError> {
        list_uploads::parts(self, upload, after, max).await
    }

    async fn complete_multipart(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        multipart::complete(self, upload, parts, condition).await
    }

    async fn abort_multipart(&self, upload: &UploadRef) -> Result<(), UpstreamError> {
        multipart::abort(self, upload).await
    }

    async fn list_uploads(
        &self,
        bucket: &BucketName,
        after: Option<(&str, &str)>,
        max: u32,
    ) -> Result<Vec<ListedUpload>, UpstreamError> {
        list_uploads::uploads(self, bucket, after, max).await
    }
}
