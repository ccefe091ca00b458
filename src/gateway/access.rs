//! The access log: one line per request, when its answer has gone out whole or was broken off, and the metrics beside it.
//!
//! A line never has the query (presigned URLs carry their signature there), headers, or anything of a body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::base::metrics::GaugeGuard;
use crate::base::{Metrics, ObjectKey, RequestId};
use crate::s3::{BucketLabel, Operation, Parsed};

use super::error::{Code, Failure};

/// How a client's answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The body was dropped before its end: the client went away.
    Dropped,
    /// We broke it off.
    Broken,
    /// It went out whole.
    Whole,
}

/// What is known of a request so far; its line is written when it is dropped.
pub(crate) struct Record {
    /// In the answer's headers too.
    pub(crate) request_id: RequestId,
    operation: Option<Operation>,
    bucket: Option<String>,
    key: Option<ObjectKey>,
    /// Once the signature was verified.
    pub(crate) access_key_id: Option<String>,
    /// The answer's status; 0 while there is none.
    pub(crate) status: u16,
    /// The S3 code of a failure.
    pub(crate) code: Option<Code>,
    /// Body bytes sent.
    pub(crate) bytes_out: u64,
    /// Body bytes received, framing included; the body counts while it is read.
    pub(crate) bytes_in: Arc<AtomicU64>,
    peer: SocketAddr,
    began: Instant,
    end: End,
    metrics: Arc<Metrics>,
    /// Its place among the requests that may be under way.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
    _in_flight: GaugeGuard,
}

impl Record {
    /// Begins with a fresh request id; the clock runs.
    pub(crate) fn begin(peer: SocketAddr, metrics: &Arc<Metrics>) -> Self {
        Self {
            request_id: RequestId::generate(),
            operation: None,
            bucket: None,
            key: None,
            access_key_id: None,
            status: 0,
            code: None,
            bytes_out: 0,
            bytes_in: Arc::new(AtomicU64::new(0)),
            peer,
            began: Instant::now(),
            end: End::Dropped,
            metrics: Arc::clone(metrics),
            slot: None,
            _in_flight: metrics.request_begun(),
        }
    }

    /// What the request is and on what; it is in the log even when it is refused.
    pub(crate) fn understood(&mut self, parsed: &Parsed) {
        self.operation = Some(parsed.operation);
        self.bucket = parsed.target.bucket().map(BucketLabel::as_str).map(str::to_owned);
        self.key = parsed.target.key().cloned();
    }

    /// The answer's body has gone out.
    pub(crate) fn finished(&mut self) {
        if self.end == End::Dropped {
            self.end = End::Whole;
        }
    }

    /// The answer's body cannot be finished: the status is out, so the connection is dropped.
    pub(crate) fn broken_off(&mut self, failure: &Failure) {
        self.end = End::Broken;
        self.code = Some(failure.code());
        failure.log(self.request_id, "an answer under way");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let bytes_in = self.bytes_in.load(Ordering::Relaxed);
        let operation = self.operation.map_or("-", Operation::name);
        self.metrics.request_answered(operation, self.status, took);
        self.metrics.received(bytes_in);
        self.metrics.sent(self.bytes_out);
        tracing::info!(
            target: "access",
            request_id = %self.request_id,
            peer = %self.peer,
            access_key_id = self.access_key_id.as_deref().unwrap_or("-"),
            operation,
            bucket = ?self.bucket.as_deref().unwrap_or("-"),
            key = ?self.key.as_ref().map_or("-", ObjectKey::as_str),
            status = self.status,
            code = self.code.map_or("-", Code::name),
            bytes_in,
            bytes_out = self.bytes_out,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            end = ?self.end,
        );
    }
}
