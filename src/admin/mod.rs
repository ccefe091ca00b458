//! Health and metrics, on a listener of their own: no path of the S3 listener goes around authentication, and nothing
//! here shows names, keys or content.
//!
//! `/healthz`: the process runs. `/readyz`: it should get requests, and if not, why. `/metrics`: for Prometheus.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::base::{Metrics, Shutdown};

/// A part that does not answer within this is not ready; probes give up after a few seconds themselves.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// What Prometheus asks of the OpenMetrics text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A part that requests need.
#[async_trait]
pub trait Check: Send + Sync + 'static {
    /// How operators know it.
    fn name(&self) -> &str;
    /// Whether it works now, and if not, why, in one line without secrets.
    async fn check(&self) -> Result<(), String>;
}

/// What the listener shows.
pub struct Admin {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The parts that must work.
    pub checks: Vec<Box<dyn Check>>,
    /// The S3 listener's shutdown: once it has begun, this process is not ready any more.
    pub draining: Shutdown,
}

/// Serves until `shutdown` begins.
///
/// # Errors
/// Of the listening socket.
pub async fn serve(listener: TcpListener, admin: Admin, mut shutdown: Shutdown) -> io::Result<()> {
    axum::serve(listener, router(admin)).with_graceful_shutdown(async move { shutdown.begun().await }).await
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(admin))
}

/// One line per part, `ready` or not; 503 where one is not.
async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    if admin.draining.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: draining\n").into_response();
    }
    let checked = admin.checks.iter().map(|part| async move {
        let found = timeout(CHECK_TIMEOUT, part.check()).await;
        (part.name(), found.unwrap_or_else(|_| Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs()))))
    });
    let mut status = StatusCode::OK;
    let mut lines = String::new();
    for (name, found) in join_all(checked).await {
        match found {
            Ok(()) => lines.push_str(&format!("{name}: ok\n")),
            Err(reason) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                lines.push_str(&format!("{name}: {reason}\n"));
            }
        }
    }
    lines.insert_str(0, if status == StatusCode::OK { "ready\n" } else { "not ready\n" });
    (status, lines).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match admin.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::base::ShutdownTrigger;
    use crate::base::shutdown::shutdown;

    struct Part(Result<(), String>);

    #[async_trait]
    impl Check for Part {
        fn name(&self) -> &'static str {
            "part"
        }

        async fn check(&self) -> Result<(), String> {
            self.0.clone()
        }
    }

    struct Hanging;

    #[async_trait]
    impl Check for Hanging {
        fn name(&self) -> &'static str {
            "hanging"
        }

        async fn check(&self) -> Result<(), String> {
            std::future::pending().await
        }
    }

    async fn get(checks: Vec<Box<dyn Check>>, path: &str, before: impl FnOnce(&ShutdownTrigger)) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (s3_trigger, draining) = shutdown();
        let (_trigger, going_down) = shutdown();
        before(&s3_trigger);
        let admin = Admin { metrics: Arc::new(Metrics::new()), checks, draining };
        tokio::spawn(serve(listener, admin, going_down));
        client.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        got
    }

    #[tokio::test]
    async fn healthy_while_it_runs_also_when_not_ready() {
        let got = get(vec![Box::new(Part(Err("broken".into())))], "/healthz", |_| {}).await;
        assert!(got.starts_with("HTTP/1.0 200") && got.ends_with("ok\n"), "{got}");
    }

    #[tokio::test]
    async fn ready_when_every_part_is() {
        let got = get(vec![Box::new(Part(Ok(())))], "/readyz", |_| {}).await;
        assert!(got.starts_with("HTTP/1.0 200") && got.ends_with("ready\npart: ok\n"), "{got}");
    }

    #[tokio::test]
    async fn not_ready_says_why() {
        let checks: Vec<Box<dyn Check>> = vec![Box::new(Part(Err("no room left".into()))), Box::new(Part(Ok(())))];
        let got = get(checks, "/readyz", |_| {}).await;
        assert!(got.starts_with("HTTP/1.0 503"), "{got}");
        assert!(got.ends_with("not ready\npart: no room left\npart: ok\n"), "{got}");
    }

    #[tokio::test]
    async fn part_that_hangs_is_not_ready() {
        let got = get(vec![Box::new(Hanging)], "/readyz", |_| {}).await;
        assert!(got.starts_with("HTTP/1.0 503") && got.contains("hanging: no answer within 2 s"), "{got}");
    }

    #[tokio::test]
    async fn draining_is_not_ready() {
        let got = get(vec![Box::new(Part(Ok(())))], "/readyz", ShutdownTrigger::begin).await;
        assert!(got.starts_with("HTTP/1.0 503") && got.contains("draining"), "{got}");
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text() {
        let got = get(Vec::new(), "/metrics", |_| {}).await;
        assert!(got.contains(OPENMETRICS) && got.ends_with("# EOF\n"), "{got}");
    }
}
