//! What the process counts. On the ground floor, so that the gateway records what the admin listener renders.
//!
//! Labels are closed sets (operation names, status codes, caches, configured upstreams): never a bucket, a key or a client, or the number
//! of series grows with the data.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the latency buckets in seconds: a warm HEAD takes about a millisecond, a 5 GiB part minutes.
const LATENCY_BOUNDS_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    upstream: String,
    finding: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    cache: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    kind: &'static str,
}

/// A cache whose use is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheName {
    /// Unwrapped bucket keys.
    BucketKeys,
    /// Unwrapped DEKs.
    Deks,
    /// Index rows of objects.
    Index,
    /// Manifests and trailers.
    Footers,
}

impl CacheName {
    const fn label(self) -> &'static str {
        match self {
            Self::BucketKeys => "bucket_keys",
            Self::Deks => "deks",
            Self::Index => "index",
            Self::Footers => "footers",
        }
    }
}

/// How a look-up in a cache ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// It was there.
    Hit,
    /// It had to be fetched.
    Miss,
}

impl CacheResult {
    const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
        }
    }
}

/// What a probe says of one thing that an upstream may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It does it as S3 does.
    Fine,
    /// It does not, or nobody knows.
    Lacking,
}

/// Every counter of the process; share it as `Arc<Metrics>`.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<OperationLabel, Histogram, fn() -> Histogram>,
    request_bytes: Counter,
    response_bytes: Counter,
    caches: Family<CacheLabels, Counter>,
    keyring_calls: Counter,
    keyring_faults: Family<FaultLabel, Counter>,
    upstreams_probed: Family<UpstreamLabel, Gauge>,
    upstreams_lack: Family<FindingLabels, Gauge>,
    in_flight: Gauge,
    connections: Gauge,
    connections_accepted: Counter,
    handshakes_failed: Counter,
    panics: Counter,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("crypt_keeper");
        let requests = Family::default();
        registry.register("requests", "S3 requests answered, by operation and status", requests.clone());
        let latency: Family<OperationLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS_SECONDS));
        let help = "From the request's head to the end of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, latency.clone());
        let request_bytes = Counter::default();
        let help = "Body bytes received from S3 clients";
        registry.register_with_unit("request_body", help, Unit::Bytes, request_bytes.clone());
        let response_bytes = Counter::default();
        let help = "Body bytes sent to S3 clients";
        registry.register_with_unit("response_body", help, Unit::Bytes, response_bytes.clone());
        let caches = Family::default();
        registry.register("cache_lookups", "Look-ups in caches, by cache and result", caches.clone());
        let keyring_calls = Counter::default();
        registry.register("keyring_calls", "Keys wrapped and unwrapped by the keyring", keyring_calls.clone());
        let keyring_faults = Family::default();
        let help = "What the keyring answered in the place of a key; calls that failed together count once";
        registry.register("keyring_faults", help, keyring_faults.clone());
        let upstreams_probed = Family::default();
        let help = "Whether it is known what an S3 upstream can do; what needs a proof gets 503 until then";
        registry.register("upstream_probed", help, upstreams_probed.clone());
        let upstreams_lack = Family::default();
        let help = "What an S3 upstream does otherwise than S3, as crypt-keeper doctor names it";
        registry.register("upstream_lacks", help, upstreams_lack.clone());
        let in_flight = Gauge::default();
        registry.register("requests_in_flight", "S3 requests begun and not yet answered whole", in_flight.clone());
        let connections = Gauge::default();
        registry.register("connections", "Open connections of the S3 listener", connections.clone());
        let connections_accepted = Counter::default();
        let help = "Connections that the S3 listener has accepted";
        registry.register("connections_accepted", help, connections_accepted.clone());
        let handshakes_failed = Counter::default();
        let help = "Connections of the S3 listener that ended before TLS was agreed on";
        registry.register("tls_handshakes_failed", help, handshakes_failed.clone());
        let panics = Counter::default();
        registry.register("panics", "Connections ended by a panic, which is a bug", panics.clone());
        Self {
            registry,
            requests,
            latency,
            request_bytes,
            response_bytes,
            caches,
            keyring_calls,
            keyring_faults,
            upstreams_probed,
            upstreams_lack,
            in_flight,
            connections,
            connections_accepted,
            handshakes_failed,
            panics,
        }
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn request_begun(&self) -> GaugeGuard {
        GaugeGuard::new(&self.in_flight)
    }

    /// Counts an answered request; `took` runs from its head to the end of its answer.
    pub fn request_answered(&self, operation: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
        self.latency.get_or_create(&OperationLabel { operation }).observe(took.as_secs_f64());
    }

    /// Counts body bytes received from a client.
    pub fn received(&self, bytes: u64) {
        self.request_bytes.inc_by(bytes);
    }

    /// Counts body bytes sent to a client.
    pub fn sent(&self, bytes: u64) {
        self.response_bytes.inc_by(bytes);
    }

    /// Counts look-ups in a cache.
    pub fn cache_lookups(&self, cache: CacheName, result: CacheResult, lookups: u64) {
        self.caches.get_or_create(&CacheLabels { cache: cache.label(), result: result.label() }).inc_by(lookups);
    }

    /// Counts calls of the keyring.
    pub fn keyring_calls(&self, calls: u64) {
        self.keyring_calls.inc_by(calls);
    }

    /// Counts what the keyring answered in the place of a key; `kind` is of a closed set.
    pub fn keyring_faults(&self, kind: &'static str, faults: u64) {
        self.keyring_faults.get_or_create(&FaultLabel { kind }).inc_by(faults);
    }

    /// It is not known what an S3 upstream can do.
    pub fn upstream_unproven(&self, upstream: &str) {
        self.upstreams_probed.get_or_create(&UpstreamLabel { upstream: upstream.to_owned() }).set(0);
    }

    /// A probe has found out what an S3 upstream can do.
    pub fn upstream_probed(&self, upstream: &str, findings: impl IntoIterator<Item = (&'static str, Finding)>) {
        self.upstreams_probed.get_or_create(&UpstreamLabel { upstream: upstream.to_owned() }).set(1);
        for (finding, found) in findings {
            let labels = FindingLabels { upstream: upstream.to_owned(), finding };
            self.upstreams_lack.get_or_create(&labels).set(i64::from(found == Finding::Lacking));
        }
    }

    /// Counts an accepted connection, as open until the guard is dropped.
    pub fn connection_opened(&self) -> GaugeGuard {
        self.connections_accepted.inc();
        GaugeGuard::new(&self.connections)
    }

    /// Counts a connection that ended before TLS was agreed on.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Counts a connection that a panic has ended.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Everything, in the OpenMetrics text format.
    ///
    /// # Errors
    /// None that can happen: writing to a string does not fail.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Holds a gauge one higher; dropped also when its task is aborted or panics, so that the gauge cannot drift.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_in_the_rendering() {
        let metrics = Metrics::new();
        let open = metrics.connection_opened();
        metrics.request_answered("GetObject", 206, Duration::from_millis(3));
        metrics.received(5);
        metrics.sent(7);
        metrics.cache_lookups(CacheName::Index, CacheResult::Miss, 1);
        metrics.keyring_calls(3);
        metrics.keyring_faults("sealed", 2);
        metrics.upstream_unproven("slow");
        metrics.upstream_probed("default", [("conditional PUT", Finding::Lacking), ("suffix range", Finding::Fine)]);
        let text = metrics.render().unwrap();
        for line in [
            "crypt_keeper_requests_total{operation=\"GetObject\",status=\"206\"} 1",
            "crypt_keeper_request_duration_seconds_bucket{le=\"0.005\",operation=\"GetObject\"} 1",
            "crypt_keeper_request_body_bytes_total 5",
            "crypt_keeper_response_body_bytes_total 7",
            "crypt_keeper_cache_lookups_total{cache=\"index\",result=\"miss\"} 1",
            "crypt_keeper_keyring_calls_total 3",
            "crypt_keeper_keyring_faults_total{kind=\"sealed\"} 2",
            "crypt_keeper_upstream_probed{upstream=\"slow\"} 0",
            "crypt_keeper_upstream_probed{upstream=\"default\"} 1",
            "crypt_keeper_upstream_lacks{upstream=\"default\",finding=\"conditional PUT\"} 1",
            "crypt_keeper_upstream_lacks{upstream=\"default\",finding=\"suffix range\"} 0",
            "crypt_keeper_connections 1",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        drop(open);
        assert!(metrics.render().unwrap().contains("crypt_keeper_connections 0"));
    }
}
