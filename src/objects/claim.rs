//! Whose an upstream's internal bucket is. The sweep removes from it what this deployment does not know, so two
//! deployments must not share one: the first leaves its id there, and the second is refused.

use async_trait::async_trait;

use crate::base::{BucketName, ObjectKey};
use crate::upstream::{
    BodyAborted, BodySource, ObjectRef, PutBody, StoredRange, Tags, Upstream, UpstreamError, WriteCondition,
};

use super::upstreams::Place;

/// The object with the deployment's id, in hex.
const MARKER_KEY: &str = "deployment";
/// An id in hex. Anything longer was not written by us.
const MARKER_BYTES: usize = 32;

/// Why an upstream is not used.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another deployment was there first.
    #[error(
        "upstream {upstream}: the bucket {internal_bucket} there belongs to another deployment: give upstream.{upstream}.internal_bucket a name of its own"
    )]
    Taken {
        /// The upstream's name.
        upstream: String,
        /// The bucket.
        internal_bucket: BucketName,
    },
    /// It does not do what we need.
    #[error("upstream {upstream}: {error}")]
    Upstream {
        /// The upstream's name.
        upstream: String,
        /// What it did.
        error: UpstreamError,
    },
}

impl ClaimError {
    /// Whether trying again later may help.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Upstream { error: UpstreamError::Unavailable(_) | UpstreamError::Conflict, .. })
    }
}

impl Place {
    /// Makes sure of our internal bucket, and that it is this deployment's; only then can the place be used.
    ///
    /// # Errors
    /// Another deployment's, or what the upstream did. May be tried again.
    pub async fn claim(&self, deployment_id: &[u8; 16]) -> Result<(), ClaimError> {
        let wanted = hex::encode(deployment_id);
        match self.settle(&wanted).await {
            Ok(found) if found == wanted.as_bytes() => {
                self.open_for_use();
                Ok(())
            }
            Ok(_) => {
                Err(ClaimError::Taken { upstream: self.name.clone(), internal_bucket: self.internal_bucket.clone() })
            }
            Err(error) => Err(ClaimError::Upstream { upstream: self.name.clone(), error }),
        }
    }

    /// The marker as it is in the end.
    async fn settle(&self, wanted: &str) -> Result<Vec<u8>, UpstreamError> {
        let upstream = &*self.upstream;
        // Looked at first: credentials that may not make buckets are enough where somebody else has made it.
        if let Err(error) = upstream.head_bucket(&self.internal_bucket).await {
            match error {
                UpstreamError::NoSuchBucket => match upstream.create_bucket(&self.internal_bucket).await {
                    Ok(()) | Err(UpstreamError::BucketExists) => {}
                    Err(error) => return Err(error),
                },
                error => return Err(error),
            }
        }
        let key = ObjectKey::parse(MARKER_KEY).ok_or(UpstreamError::NoSuchKey)?;
        let marker = ObjectRef::current(&self.internal_bucket, &key);
        match read(upstream, &marker).await {
            Err(UpstreamError::NoSuchKey) => {}
            outcome => return outcome,
        }
        // Two that come at once: one of the two writes is the last, or the only one, and both read the same.
        let condition = match upstream.capabilities().conditional_writes.put {
            true => WriteCondition::Absent,
            false => WriteCondition::None,
        };
        let mut source = Marker(wanted.as_bytes());
        let body = PutBody { stored_bytes: wanted.len() as u64, source: &mut source };
        match upstream.put_object(&self.internal_bucket, &key, body, condition, &Tags::new()).await {
            Ok(_) | Err(UpstreamError::PreconditionFailed) => read(upstream, &marker).await,
            Err(error) => Err(error),
        }
    }
}

/// Whether a bucket is the internal one of any deployment.
pub(super) async fn is_marked(upstream: &dyn Upstream, bucket: &BucketName) -> Result<bool, UpstreamError> {
    let key = ObjectKey::parse(MARKER_KEY).ok_or(UpstreamError::NoSuchKey)?;
    match read(upstream, &ObjectRef::current(bucket, &key)).await {
        Ok(found) => Ok(found.len() == MARKER_BYTES && found.iter().all(u8::is_ascii_hexdigit)),
        Err(UpstreamError::NoSuchKey) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn read(upstream: &dyn Upstream, marker: &ObjectRef) -> Result<Vec<u8>, UpstreamError> {
    let mut reply = upstream.get_object(marker, StoredRange::Whole, None).await?;
    // One byte more than ours has: a longer one is seen to be another.
    let mut found = [0; MARKER_BYTES + 1];
    let mut filled = 0;
    while filled < found.len() {
        match reply.body.read(&mut found[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(found[..filled].to_vec())
}

struct Marker<'a>(&'a [u8]);

#[async_trait]
impl BodySource for Marker<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let (now, later) = self.0.split_at(self.0.len().min(into.len()));
        into[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}
