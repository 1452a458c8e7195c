//! The service's heartbeat on the bus.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::clock;
use super::status::{State, Status};
use crate::bus::Bus;
use crate::contract::messages::{Heartbeat, Message, Part};
use crate::contract::subjects::HEARTBEAT;
use crate::error::InvalidMessage;
use crate::worker::approval::Keys;

const PERIOD: Duration = Duration::from_millis(500);
/// A worker that was killed is missed after this time, in seconds. Three heartbeats may be lost, or
/// late.
const ALIVE_SECONDS: f64 = 2.0;

/// Publishes a heartbeat twice a second, and at once when readiness or the hold changes, until
/// `stop`. It names the keys that are known at the time: a filter that signs with another one
/// approves nothing in vain.
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
                publish(&bus, heartbeat(&instance, &state, approvals.as_ref())).await;
            }
            let was = (state.unready(), state.held);
            let change = changes.wait_for(|state| (state.unready(), state.held) != was);
            // Either of the two is a reason to go on.
            let _ = timeout(PERIOD, change).await;
        }
    };
    stop.run_until_cancelled(beating).await;
}

async fn publish(bus: &Bus, heartbeat: Heartbeat) {
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
        reason: reason.map(Cow::into_owned),
        now_ms: clock::millis(SystemTime::now()),
        alive_seconds: Some(ALIVE_SECONDS),
        model: state.model.as_deref().map(str::to_owned),
        service_seconds: state.service_seconds,
        prompt_per_second: state.prompt_per_second,
        predicted_per_second: state.predicted_per_second,
        answer_tokens: state.answer_tokens,
        n_ctx: state.props.n_ctx,
        supports_tools: state.props.supports_tools,
        approval_keys: approvals.map(Keys::ids),
        checks_answers: Some(true),
        queue: None,
        policy: None,
        policy_refused: None,
        held: Some(state.held),
    }
}
