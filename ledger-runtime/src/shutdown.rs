//! Stopping in order: one signal that everything waits for.

use tokio::sync::watch;

/// Asks for the stop.
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Waits for the stop.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and what waits for it.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks for the stop; asking twice is asking once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns once the stop is asked for, or nobody is left to ask.
    pub async fn asked(mut self) {
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

/// Asks for the stop at the first SIGINT or SIGTERM. A second one ends the process at once.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn on_signals(trigger: Trigger) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for ask in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if ask > 0 {
                tracing::warn!("stopped at once by a second signal");
                std::process::exit(130);
            }
            tracing::info!("stopping");
            trigger.stop();
        }
    });
    Ok(())
}
