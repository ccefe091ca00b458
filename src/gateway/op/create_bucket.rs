//! CreateBucket.

use http::StatusCode;
use http::header::LOCATION;

use crate::authn::RegionPolicy;
use crate::authz::Permitted;
use crate::gateway::body::Arriving;
use crate::gateway::call::Call;
use crate::gateway::error::{Code, Failure};
use crate::gateway::reply::Reply;
use crate::objects::ObjectError;
use crate::s3::request::CreateBucketRequest;
use crate::s3::xml::{MAX_CREATE_BUCKET_XML_BYTES, create_bucket_configuration};

/// The region that S3 does not name, and where making one's own bucket again succeeds.
const FIRST_REGION: &str = "us-east-1";
/// No region's name is longer.
const MAX_REGION_BYTES: usize = 64;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    permitted: Permitted<CreateBucketRequest>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let (permit, request) = permitted.into_parts();
    let document = body.document(call.who.payload(), request.checksums, MAX_CREATE_BUCKET_XML_BYTES).await?;
    let region = match create_bucket_configuration(&document)? {
        None => call.region().to_owned(),
        Some(asked) => admit(asked, call.region(), call.regions())?,
    };
    match call.objects().create_bucket(&request.bucket, permit.principal(), &region).await {
        Ok(_) => {}
        Err(ObjectError::BucketExists { owner }) if owner == permit.principal() => {
            // As S3: in its first region a second PUT of one's own bucket is a success, elsewhere it is told.
            if call.region() != FIRST_REGION {
                return Err(Failure::client(Code::BucketAlreadyOwnedByYou).and("BucketName", request.bucket.as_str()));
            }
        }
        Err(error) => return Err(Failure::from(error).and("BucketName", request.bucket.as_str())),
    }
    let mut reply = Reply::empty(StatusCode::OK);
    reply.set(LOCATION, format!("/{}", request.bucket));
    Ok(reply)
}

/// Where requests of every region are taken, a bucket may be in every region; else only in those that are ours.
fn admit(asked: String, ours: &str, regions: &RegionPolicy) -> Result<String, Failure> {
    let sound =
        |text: &str| text.len() <= MAX_REGION_BYTES && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !sound(&asked) {
        return Err(Failure::client(Code::InvalidLocationConstraint).and("LocationConstraint", asked));
    }
    match regions {
        RegionPolicy::Any => Ok(asked),
        RegionPolicy::Only { .. } if asked == ours => Ok(asked),
        RegionPolicy::Only { canonical, aliases } if asked == *canonical || aliases.contains(&asked) => Ok(asked),
        RegionPolicy::Only { .. } => Err(Failure::client(Code::IllegalLocationConstraint)
            .saying(format!(
                "The {asked} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            ))
            .and("LocationConstraint", asked)),
    }
}
