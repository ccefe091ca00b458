//! Buckets.

use crate::base::BucketName;
use crate::upstream::UpstreamError;

use super::call::{Method, Payload, Replay};
use super::client::Client;
use super::fault::About;
use super::xml::escape;

/// The one region that a CreateBucket must not name (AWS, CreateBucketConfiguration).
const UNNAMED_REGION: &str = "us-east-1";

pub(super) async fn create(client: &Client, bucket: &BucketName) -> Result<(), UpstreamError> {
    let call = client.call(Method::Put, bucket, None).replay(Replay::Unsent);
    let call = match client.region() {
        UNNAMED_REGION => call,
        region => {
            let region = escape(region).unwrap_or_default();
            let document = format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            );
            call.payload(Payload::Signed(document.into_bytes()))
        }
    };
    client.send(&call, About::Bucket).await?.document().await.map(drop)
}

pub(super) async fn delete(client: &Client, bucket: &BucketName) -> Result<(), UpstreamError> {
    let call = client.call(Method::Delete, bucket, None).replay(Replay::Unsent);
    client.send(&call, About::Bucket).await?.document().await.map(drop)
}

pub(super) async fn head(client: &Client, bucket: &BucketName) -> Result<(), UpstreamError> {
    client.send(&client.call(Method::Head, bucket, None), About::Bucket).await.map(drop)
}
