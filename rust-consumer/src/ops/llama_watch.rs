//! Watches llama.cpp: its health, its model's name, and what the model can do.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::status::Status;
use crate::error::ModelError;
use crate::llama::{Llama, QUESTION, SILENT};

const PERIOD: Duration = Duration::from_secs(2);
/// A model that is away is looked for more often.
const PERIOD_AWAY: Duration = Duration::from_millis(250);

/// Asks llama.cpp for its health, its model's name and its properties until `stop`. After an
/// absence that was too short to be seen another model may be there, so all are asked for each
/// time. A server that is silent for `patience` hangs.
pub async fn watch(llama: Llama, patience: Duration, status: Status, stop: CancellationToken) {
    let looking = async {
        let mut was_there = false;
        let mut silent = Duration::ZERO;
        loop {
            let health = llama.health().await;
            silent = match health {
                // This process may have been paused for any time, and llama.cpp with it.
                Err(ModelError::NotThere(SILENT)) => silent + QUESTION,
                _ => Duration::ZERO,
            };
            status.set_silent(silent >= patience);
            let is_there = health.is_ok();
            if is_there != was_there {
                tracing::info!(is_there, "llama.cpp");
            }
            match health {
                Ok(()) => status.saw_llama(llama.model().await.ok(), llama.props().await.ok()),
                Err(_) => status.missed_llama(),
            }
            was_there = is_there;
            sleep(if is_there { PERIOD } else { PERIOD_AWAY }).await;
        }
    };
    stop.run_until_cancelled(looking).await;
}
