//! Waiting for llama.cpp's slot, which a dropped call may still hold.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::completion::Completion;
use super::{Llama, QUESTION};
use crate::error::ModelError;
use crate::ops::status::{Obstacle, Status};

const PERIOD: Duration = Duration::from_millis(100);

/// A worker's slot of llama.cpp.
#[derive(Debug)]
pub struct Slot {
    llama: Llama,
    status: Status,
    /// If the slot stays busy for longer, with no call of this process open, llama.cpp has to be
    /// started again, and the service is not ready for that reason.
    patience: Duration,
    /// Whether a call of an earlier worker, or one that was dropped, may still hold it.
    pub unsure: bool,
    /// The last completion, until its stream is closed.
    closing: Option<JoinHandle<()>>,
}

impl Slot {
    /// A slot of which nothing is known yet.
    #[must_use]
    pub fn new(llama: Llama, status: Status, patience: Duration) -> Self {
        Self {
            llama,
            status,
            patience,
            unsure: true,
            closing: None,
        }
    }

    /// Closes a finished completion in the background.
    pub fn close(&mut self, completion: Completion) {
        self.closing = Some(tokio::spawn(completion.close()));
    }

    /// Waits until the last completion is closed, so that nothing of its answer is under way when
    /// the next one is asked for.
    pub async fn closed(&mut self) {
        if let Some(closing) = &mut self.closing {
            // It can only have been cancelled, with the runtime.
            let _ = closing.await;
            self.closing = None;
        }
    }

    /// Waits until the slot is known to be free, and sets meanwhile what is in the way. llama.cpp
    /// may be away for `away` at a time; while it is there, but busy or behind another key, the
    /// wait has no end.
    ///
    /// # Errors
    /// [`ModelError`]: llama.cpp is away for longer. If `away` is zero, a wrong key is an error
    /// too.
    pub async fn freed(&mut self, away: Duration) -> Result<(), ModelError> {
        let mut held = Duration::ZERO;
        let mut gone: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            match self.llama.is_idle().await {
                Ok(true) => {
                    self.set(None);
                    self.unsure = false;
                    return Ok(());
                }
                Ok(false) => {
                    gone = None;
                    // This process may have been paused for any time, and llama.cpp with it.
                    held += asked.elapsed().min(QUESTION) + PERIOD;
                    if self.llama.is_called() {
                        held = Duration::ZERO; // Another worker's request is being answered.
                    }
                    self.set((held >= self.patience).then_some(Obstacle::SlotHeld));
                }
                Err(error) => {
                    held = Duration::ZERO;
                    let since = *gone.get_or_insert(asked);
                    let is_wrong_key = matches!(error, ModelError::WrongKey);
                    self.set(is_wrong_key.then_some(Obstacle::WrongKey));
                    if since.elapsed() >= away && (!is_wrong_key || away.is_zero()) {
                        return Err(error);
                    }
                }
            }
            sleep(PERIOD).await;
        }
    }

    fn set(&self, obstacle: Option<Obstacle>) {
        if self.status.set_obstacle(obstacle) {
            match obstacle {
                None => tracing::info!("llama.cpp no longer refuses work"),
                Some(Obstacle::WrongKey) => {
                    tracing::error!("llama.cpp does not take the key that STILE_LLAMA_KEY names");
                }
                Some(Obstacle::SlotHeld) => tracing::error!(
                    seconds = self.patience.as_secs_f64(),
                    "llama.cpp does not free its slot; it must be started again"
                ),
            }
        }
    }
}
