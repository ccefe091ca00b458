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
    client.ask(&call, About::Bucket).await.map(drop)
}

pub(super) async fn delete(client: &Client, bucket: &BucketName) -> Result<(), UpstreamError> {
    let call = client.call(Method::Delete, bucket, None).replay(Replay::Unsent);
    client.ask(&call, About::Bucket).await.map(drop)
}

pub(super) async fn head(client: &Client, bucket: &BucketName) -> Result<(), UpstreamError> {
    client.send(&client.call(Method::Head, bucket, None), About::Bucket).await.map(drop)
}

/// Whether buckets can keep versions: it knows the operations. Nothing is changed: the status that is asked for does not
/// exist, and switching versioning on is nothing that could be undone. Some services answer the question, and cannot
/// do it.
pub(super) async fn knows_versioning(client: &Client, bucket: &BucketName) -> Result<bool, UpstreamError> {
    let asked = client.call(Method::Get, bucket, None).query("versioning", "");
    match client.ask(&asked, About::Bucket).await {
        Ok(_) => {}
        Err(UpstreamError::Unsupported(_)) => return Ok(false),
        Err(error) => return Err(error),
    }
    let document = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Status>Probed</Status></VersioningConfiguration>";
    let tried = client.call(Method::Put, bucket, None).query("versioning", "");
    let tried = tried.header("content-md5", super::content_md5(document)).payload(Payload::Signed(document.to_vec()));
    match client.send(&tried, About::Bucket).await {
        Ok(_) => Err(UpstreamError::Broken("it takes any status of versioning".into())),
        Err(UpstreamError::Unsupported(_)) => Ok(false),
        Err(error @ UpstreamError::Unavailable(_)) => Err(error),
        // Refused for what it says, so it was read.
        Err(_) => Ok(true),
    }
}
