//! The service as a probe looks at it: over the same connections, and with nothing taken for known.

use std::sync::{Arc, RwLock};

use async_trait::async_trait;

use crate::base::BucketName;
use crate::upstream::probe::Probed;
use crate::upstream::{Capabilities, Upstream, UpstreamError};

use super::{PayloadMode, S3Upstream, bucket};

/// Dates have whole seconds: a clock that is right is up to this much behind.
const DATE_RESOLUTION_MS: i64 = 1000;

/// An S3 service that tries whatever it is asked to, whatever was learnt of it before.
pub struct ProbedService {
    plain: S3Upstream,
    with_trailers: S3Upstream,
}

impl S3Upstream {
    /// For [`probe`](crate::upstream::probe::probe).
    pub fn probed(&self) -> ProbedService {
        ProbedService {
            plain: self.trying(PayloadMode::Unsigned),
            with_trailers: self.trying(PayloadMode::TrailerChecksum),
        }
    }

    fn trying(&self, payload: PayloadMode) -> Self {
        let capabilities = RwLock::new(Capabilities::ALL);
        Self { client: Arc::clone(&self.client), clock: self.clock.clone(), payload, capabilities }
    }
}

#[async_trait]
impl Probed for ProbedService {
    fn upstream(&self) -> &dyn Upstream {
        &self.plain
    }

    fn with_trailers(&self) -> Option<&dyn Upstream> {
        Some(&self.with_trailers)
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        let skew = self.plain.clock_skew_ms()?;
        Some(if (-DATE_RESOLUTION_MS..=0).contains(&skew) { 0 } else { skew })
    }

    /// Credentials that may not ask are no fault: no object depends on the answer.
    async fn versioning(&self, internal_bucket: &BucketName) -> Option<Result<bool, UpstreamError>> {
        match bucket::knows_versioning(&self.plain.client, internal_bucket).await {
            Err(UpstreamError::Unavailable(_)) => None,
            answer => Some(answer),
        }
    }
}
