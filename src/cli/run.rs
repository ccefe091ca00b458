//! From a sound configuration to the end of the drain.

use std::io::{self, Write};
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::{banner, logging};
use crate::app;
use crate::config::Config;

/// Work that cannot be cancelled (a thread in fsync) gets this long after everything else has ended.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// What is said at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Credentials and lines to paste.
    Dev,
    /// The ready line.
    Serve,
}

/// Serves until SIGTERM or SIGINT, then drains. The message of a failure is one line.
pub(super) fn run(config: Config, mode: Mode) -> Result<(), String> {
    logging::start(&config.log);
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("crypt-keeper: no threads to run on: {error}"))?;
    let outcome = runtime.block_on(serve(config, mode));
    runtime.shutdown_timeout(LAST_MOMENT);
    outcome.map_err(|message| format!("crypt-keeper: {}", message.replace(['\n', '\r'], " ")))
}

async fn serve(config: Config, mode: Mode) -> Result<(), String> {
    // Before the start: a signal that comes while it goes on must not be lost.
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be received: {error}"))?;
    let data_dir = config.data_dir.clone();
    let mut running = tokio::select! {
        started = app::start(config) => started.map_err(|error| error.to_string())?,
        name = signals.next() => return Err(format!("{name} before it was ready")),
    };
    let mut said = String::new();
    if let (Mode::Dev, Some(data)) = (mode, &data_dir) {
        let text = banner::dev(running.s3_address(), running.admin_address(), data, running.root());
        said = text.map_err(|error| error.to_string())?;
    }
    said.push_str(&banner::ready(running.scheme(), running.s3_address()));
    say(&said);

    tokio::select! {
        name = signals.next() => info!(signal = name, "draining"),
        ended = running.ended() => warn!(part = ended, "a listener has ended: going down"),
    }
    tokio::select! {
        () = running.drain() => Ok(()),
        name = signals.next() => Err(format!("{name} again: the drain was cut short")),
    }
}

/// Nobody who waits has closed the pipe; whoever has does not wait.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one and names it. Cancel-safe.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
