//! What S3 services can do: asked at the start, asked again until they answer, and once a day.
//!
//! A service that does not answer at the start keeps nothing else down: what needs no proof is served as soon as it
//! answers, and the rest gets 503 until a probe has come through. What a local directory can do is known.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::error::StartError;
use crate::base::metrics::Finding;
use crate::base::{Clock, Metrics, Shutdown};
use crate::objects::Place;
use crate::upstream::probe::{Findings, ProbeError, Verdict, probe};
use crate::upstream::s3::S3Upstream;
use crate::upstream::{Capabilities, Proof, Upstream, UpstreamError};

/// How long a start waits for the probes; they usually take three seconds. Then they go on in the background.
const AT_START: Duration = Duration::from_secs(30);
/// A whole probe; each of its requests has a limit of its own.
const ONE_PROBE: Duration = Duration::from_secs(120);
/// Until the first repetition where a probe did not come through; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Where the doubling ends: soon enough after a repair.
const LONGEST_RETRY: Duration = Duration::from_secs(5 * 60);
/// Services are changed and updated behind us, and the traffic of a probe is nothing in a day.
const REPEAT: Duration = Duration::from_secs(24 * 60 * 60);
/// A service that answers, but never to every question, is known as far as it goes after so many probes.
const INCOMPLETE_PROBES: u32 = 3;

/// An S3 service, and the place through which it is used.
pub(super) struct Service {
    pub(super) place: Place,
    pub(super) upstream: Arc<S3Upstream>,
}

/// All of them.
pub(super) struct Services {
    services: Vec<Service>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is known what the service can do.
    Learnt,
    /// Not every question was answered.
    Incomplete,
    /// The service was not there, did not let us in, or cannot be relied on.
    Failed,
}

impl Services {
    /// Nothing is known of any of them yet.
    pub(super) fn new(services: Vec<Service>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        for service in &services {
            metrics.upstream_unproven(&service.place.name);
        }
        Self { services, clock, metrics }
    }

    /// Probes those that answer, all at once.
    ///
    /// # Errors
    /// When one cannot be used. One that cannot be probed now is no error.
    pub(super) async fn at_start(&self) -> Result<(), StartError> {
        let open = self.services.iter().filter(|service| service.place.is_open());
        let probing = join_all(open.map(|service| self.probe_at_start(service)));
        match timeout(AT_START, probing).await {
            Ok(outcomes) => outcomes.into_iter().collect(),
            Err(_) => {
                warn!("the probes of the upstreams go on in the background; what needs a proof gets 503 until then");
                Ok(())
            }
        }
    }

    async fn probe_at_start(&self, service: &Service) -> Result<(), StartError> {
        let name = &service.place.name;
        let findings = match service.probe(&self.clock).await {
            Ok(findings) => findings,
            Err(error) => {
                warn!(upstream = name, %error, "it could not be probed; what needs a proof gets 503 until it was");
                return Ok(());
            }
        };
        if let Some(fault) = findings.faults().first() {
            return Err(StartError::UpstreamUnusable { upstream: name.clone(), fault: fault.in_words() });
        }
        match findings.is_complete() {
            true => self.learn(service, &findings),
            false => {
                report(name, &findings);
                service.learn_for_now(&findings);
            }
        }
        Ok(())
    }

    /// Probes each of them until it is known, and now and then after that, until the shutdown begins.
    pub(super) async fn keep_probing(self, mut shutdown: Shutdown) {
        let probing = join_all(self.services.iter().map(|service| self.follow(service)));
        tokio::select! {
            _ = probing => {}
            () = shutdown.begun() => {}
        }
    }

    /// Never returns.
    async fn follow(&self, service: &Service) {
        let (mut failed, mut incomplete) = (0_u32, 0_u32);
        loop {
            let is_known = service.upstream.capabilities().proof == Proof::Found;
            sleep(if is_known && failed == 0 { REPEAT } else { retry(failed) }).await;
            if !service.place.is_open() {
                continue;
            }
            (failed, incomplete) = match self.probe_again(service, incomplete).await {
                Outcome::Learnt => (0, 0),
                Outcome::Incomplete => (failed.saturating_add(1), incomplete.saturating_add(1)),
                Outcome::Failed => (failed.saturating_add(1), incomplete),
            };
        }
    }

    async fn probe_again(&self, service: &Service, incomplete: u32) -> Outcome {
        let name = &service.place.name;
        let findings = match service.probe(&self.clock).await {
            Ok(findings) => findings,
            Err(error) => {
                warn!(upstream = name, %error, "it could not be probed");
                return Outcome::Failed;
            }
        };
        let faults = findings.faults();
        if !faults.is_empty() {
            for fault in faults {
                error!(upstream = name, "it cannot be relied on: {}", fault.in_words());
            }
            service.upstream.learn(Capabilities::PENDING);
            self.metrics.upstream_unproven(name);
            return Outcome::Failed;
        }
        if findings.is_complete() || incomplete.saturating_add(1) >= INCOMPLETE_PROBES {
            self.learn(service, &findings);
            return Outcome::Learnt;
        }
        service.learn_for_now(&findings);
        Outcome::Incomplete
    }

    fn learn(&self, service: &Service, findings: &Findings) {
        let (name, found) = (&service.place.name, findings.capabilities());
        if found != service.upstream.capabilities() {
            report(name, findings);
        }
        service.upstream.learn(found);
        let finding = |verdict| if verdict == Verdict::Fine { Finding::Fine } else { Finding::Lacking };
        self.metrics.upstream_probed(name, findings.lines().iter().map(|line| (line.name, finding(line.verdict))));
    }
}

impl Service {
    /// What was answered with yes is used already; the rest waits with 503 for the next probe.
    fn learn_for_now(&self, findings: &Findings) {
        self.upstream.learn(Capabilities { proof: Proof::Pending, ..findings.capabilities() });
    }

    async fn probe(&self, clock: &Clock) -> Result<Findings, ProbeError> {
        let bucket = &self.place.internal_bucket;
        let late = |_| ProbeError {
            bucket: bucket.clone(),
            error: UpstreamError::Unavailable(format!("the probe did not end within {} s", ONE_PROBE.as_secs())),
        };
        timeout(ONE_PROBE, probe(&self.upstream.probed(), bucket, clock)).await.map_err(late)?
    }
}

/// One line for each thing that it lacks, and one for the rest.
fn report(name: &str, findings: &Findings) {
    for line in findings.lines() {
        match line.verdict {
            Verdict::Fine => {}
            Verdict::WorkedAround => info!(upstream = name, "{}", line.in_words()),
            Verdict::Refused | Verdict::Shown | Verdict::Unknown | Verdict::Unusable => {
                warn!(upstream = name, "{}", line.in_words())
            }
        }
    }
    let (latency, clock_skew_ms) = (findings.latency, findings.clock_skew_ms);
    info!(upstream = name, put_ms = latency.put_ms, get_ms = latency.get_ms, clock_skew_ms, "probed");
}

fn retry(failed: u32) -> Duration {
    FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failed)).min(LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_spaced_and_never_stop() {
        assert_eq!(retry(0), FIRST_RETRY);
        assert_eq!(retry(3), FIRST_RETRY * 8);
        assert_eq!(retry(40), LONGEST_RETRY);
    }
}
