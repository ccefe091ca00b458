//! Logs on standard error, and the line that a panic leaves.

use std::io;
use std::panic;

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogConfig, LogFormat};

/// Where the environment has a filter of its own, as everywhere in Rust.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// Starts logging. A second call changes nothing.
pub(super) fn start(config: &LogConfig) {
    let filter = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let mut filter = EnvFilter::builder().parse_lossy(filter.as_deref().unwrap_or(&config.filter));
    // They log what Vault says, in its own words; what it comes to is logged by us.
    for quiet in ["vaultrs=off", "rustify=off"].into_iter().filter_map(|quiet| quiet.parse().ok()) {
        filter = filter.add_directive(quiet);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE);
    // An error means that a subscriber is there already, which is what we want.
    let _ = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    log_panics();
}

/// One log line per panic, with its place, in the format of the others.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        error!(place, message, "panic: this is a bug, please report it");
    }));
}
