//! Looks after llama.cpp, and tells the bus how the service is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::approval::Keys;
use crate::bus::Bus;
use crate::error::{InvalidMessage, ModelError};
use crate::llama::{Llama, QUESTION, SILENT};
use crate::messages::{Heartbeat, Message, Part};
use crate::status::{State, Status};
use crate::subjects::HEARTBEAT;

const PERIOD: Duration = Duration::from_secs(2);
/// A model that is away is looked for more often.
const PERIOD_AWAY: Duration = Duration::from_millis(250);

/// Asks llama.cpp for its health and its model's name until `stop`. A short absence may be missed, and another
/// model be there after it: so the name is asked for each time. One that has been silent for `patience` hangs.
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
                Ok(()) => status.saw_llama(llama.model().await.ok()),
                Err(_) => status.missed_llama(),
            }
            was_there = is_there;
            sleep(if is_there { PERIOD } else { PERIOD_AWAY }).await;
        }
    };
    stop.run_until_cancelled(looking).await;
}

/// Publishes a heartbeat every two seconds, and at once when readiness changes, until `stop`. It tells which keys
/// are believed at the time, so that a filter that signs with another one approves nothing in vain.
///
/// `instance` is unique to the process.
pub async fn beat(
    bus: Bus,
    status: Status,
    instance: String,
    approvals: Option<Keys>,
    stop: CancellationToken,
) {
    let beating = async {
        let mut changes = status.subscribe();
        loop {
            let state = status.now();
            if bus.is_connected() {
                say(&bus, heartbeat(&instance, &state, approvals.as_ref())).await;
            }
            let was = state.unready();
            let change = changes.wait_for(|state| state.unready() != was);
            // Either of the two is the reason to go on.
            let _ = timeout(PERIOD, change).await;
        }
    };
    stop.run_until_cancelled(beating).await;
}

async fn say(bus: &Bus, heartbeat: Heartbeat) {
    let published = match heartbeat.write() {
        Ok(body) => bus
            .publish(HEARTBEAT.into(), None, body)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(InvalidMessage::to_string(&error)),
    };
    if let Err(error) = published {
        tracing::warn!(error, "a heartbeat was lost");
    }
}

fn heartbeat(instance: &str, state: &State, approvals: Option<&Keys>) -> Heartbeat {
    let reason = state.unready();
    Heartbeat {
        part: Part::Consumer,
        instance: instance.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: reason.is_none(),
        reason: reason.map(str::to_owned),
        now_ms: now_ms(SystemTime::now()),
        model: state.model.as_deref().map(str::to_owned),
        service_seconds: state.service_seconds,
        prompt_per_second: state.prompt_per_second,
        predicted_per_second: state.predicted_per_second,
        answer_tokens: state.answer_tokens,
        approval_keys: approvals.map(Keys::ids),
        queue: None,
    }
}

/// None before 1970, which only a clock that is off can show.
fn now_ms(now: SystemTime) -> Option<u64> {
    let since_epoch = now.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since_epoch.as_millis()).ok()
}
