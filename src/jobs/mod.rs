//! Work in the background: sweeping what is left over.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{info, warn};

use crate::base::Shutdown;
use crate::objects::Objects;

/// What is swept was left for a day already; an hour more or less does not matter.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Not at the start, when a crash may have left clients that come back with what was cut off.
const FIRST_SWEEP: Duration = Duration::from_secs(5 * 60);

/// Sweeps now and then until the shutdown begins. A sweep that is cut off goes on with the next one: each of its steps
/// stands alone.
pub async fn sweep(objects: Objects, mut shutdown: Shutdown) {
    let mut ticks = interval_at(Instant::now() + FIRST_SWEEP, SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sweeping = async {
        loop {
            ticks.tick().await;
            match objects.sweep().await {
                Ok(swept) => info!(?swept, "swept what was left over"),
                Err(error) => warn!(%error, "the sweep broke off; it is tried again later"),
            }
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = shutdown.begun() => {}
    }
}
