//! The one signal that the process is going down: listeners stop, connections end after their request.

use tokio::sync::watch;

/// Begins the shutdown; dropping it begins it too, so that nothing waits for a signal that cannot come.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<Phase>);

/// Waits for the shutdown. Clones wait for the same one.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    GoingDown,
}

/// A shutdown that has not begun.
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Begins it.
    pub fn begin(&self) {
        self.0.send_replace(Phase::GoingDown);
    }
}

impl Shutdown {
    /// Returns once it has begun, at once when it has before. Cancel-safe.
    pub async fn begun(&mut self) {
        // An error means that the trigger is gone, which begins it as well.
        let _ = self.0.wait_for(|phase| *phase == Phase::GoingDown).await;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() == Phase::GoingDown || self.0.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {

    #[tokio::test]
    async fn begins_by_signal_or_by_the_loss_of_the_trigger() {
        let (trigger, mut shutdown) = super::shutdown();
        assert!(!shutdown.has_begun());
        trigger.begin();
        assert!(shutdown.has_begun());
        shutdown.begun().await;

        let (trigger, mut shutdown) = super::shutdown();
        drop(trigger);
        assert!(shutdown.has_begun());
        shutdown.begun().await;
    }
}
