//! What the service knows of itself and of its neighbours, for `/readyz`, heartbeats and `started`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::contract::messages::Reply;

/// llama.cpp counts as there if its last answer is no older.
const FRESH: Duration = Duration::from_secs(6);
/// How long the worker reports that no filter has checked an answer.
const UNCHECKED: Duration = Duration::from_secs(60);
/// The weight of the newest request in the moving average of their times.
const NEWEST: f64 = 0.2;

/// What keeps every worker from llama.cpp's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// llama.cpp does not take the key that it is asked with.
    WrongKey,
    /// The slot stays busy, and no request of this process is the reason.
    SlotHeld,
}

/// The state at one moment.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // each is true or false by itself
pub struct State {
    /// Whether the connection to NATS stands.
    pub connected: bool,
    /// Whether the stream was found.
    pub bound: bool,
    /// Whether the queue is on hold: no job is taken.
    pub held: bool,
    /// By how many seconds this machine's clock is off, if by too many.
    pub clock_off: Option<u64>,
    /// Whether it takes no more jobs, because it was asked to stop.
    pub stopping: bool,
    /// When llama.cpp last answered that its model is loaded.
    pub llama_seen: Option<Instant>,
    /// Whether llama.cpp has not answered for long, though it takes connections.
    pub llama_silent: bool,
    /// Why no worker can use llama.cpp.
    pub obstacle: Option<Obstacle>,
    /// When an answer ended because no filter checked it; `None` if an answer was checked since.
    pub unchecked: Option<Instant>,
    /// The model's short name.
    pub model: Option<Arc<str>>,
    /// How long requests take, in seconds, a moving average.
    pub service_seconds: Option<f64>,
    /// Tokens of prompts that the model reads a second, a moving average.
    pub prompt_per_second: Option<f64>,
    /// Tokens of answers that it writes a second, a moving average.
    pub predicted_per_second: Option<f64>,
    /// Tokens of an answer, a moving average.
    pub answer_tokens: Option<f64>,
    /// Requests that this process works on.
    pub in_flight: u64,
    /// Requests that have had their final reply.
    pub ended: Ended,
}

/// The requests that this process has given their final reply.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// With an answer, or the result that was stored before.
    pub answered: u64,
    /// With an error.
    pub failed: u64,
    /// The last error's code.
    pub last_error: Option<&'static str>,
    /// The sum of their times, each from its delivery to its reply.
    pub time: Duration,
}

impl State {
    /// Why no request can be answered now; `None` if they can.
    #[must_use]
    pub fn unready(&self) -> Option<Cow<'static, str>> {
        let clock_off = self.clock_off.filter(|_| self.connected && !self.stopping);
        match clock_off {
            Some(seconds) => Some(format!("the clock is {seconds} s off").into()),
            None => self.reason().map(Cow::Borrowed),
        }
    }

    fn reason(&self) -> Option<&'static str> {
        if self.stopping {
            Some("it is stopping")
        } else if !self.connected {
            Some("the bus does not answer")
        } else if self.obstacle == Some(Obstacle::WrongKey) {
            Some(
                "llama.cpp does not take the key: set STILE_LLAMA_KEY to the one it was started with",
            )
        } else if self.llama_silent {
            Some("llama.cpp hangs: it is started again if Stile started it, else start it again")
        } else if self.obstacle == Some(Obstacle::SlotHeld) {
            Some(
                "llama.cpp does not free its slot: it is started again if Stile started it, else start it again",
            )
        } else if !self.bound {
            Some("the stream CHAT is not there yet")
        } else if !self.llama_is_there() {
            Some("llama.cpp does not answer")
        } else if self.unchecked.is_some_and(|at| at.elapsed() < UNCHECKED) {
            Some("no filter checks answers: start one, or update it to the worker's version")
        } else {
            None
        }
    }

    /// Whether llama.cpp's server is of no use until it is started again.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.llama_silent || self.obstacle == Some(Obstacle::SlotHeld)
    }

    /// Whether llama.cpp has answered of late.
    #[must_use]
    pub fn llama_is_there(&self) -> bool {
        self.llama_seen.is_some_and(|seen| seen.elapsed() < FRESH)
    }
}

/// The state, shared by the service's tasks; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Status(watch::Sender<State>);

impl Status {
    /// The state now.
    #[must_use]
    pub fn now(&self) -> State {
        self.0.borrow().clone()
    }

    /// A receiver of every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// The connection to NATS stands, or does not.
    pub fn set_connected(&self, connected: bool) {
        self.0.send_modify(|state| state.connected = connected);
    }

    /// The stream is there, or is not.
    pub fn set_bound(&self, bound: bool) {
        self.0.send_if_modified(|state| {
            let changed = state.bound != bound;
            state.bound = bound;
            changed
        });
    }

    /// The queue is on hold, or is not; returns whether that is news.
    #[must_use]
    pub fn set_held(&self, held: bool) -> bool {
        self.0.send_if_modified(|state| {
            let changed = state.held != held;
            state.held = held;
            changed
        })
    }

    /// By how many seconds this machine's clock is off, if by too many; returns whether it went
    /// wrong, or right.
    #[must_use]
    pub fn set_clock_off(&self, seconds: Option<u64>) -> bool {
        let mut is_news = false;
        self.0.send_if_modified(|state| {
            is_news = state.clock_off.is_some() != seconds.is_some();
            let changed = state.clock_off != seconds;
            state.clock_off = seconds;
            changed
        });
        is_news
    }

    /// Notes that an answer ended because no filter checked it, or that a filter has checked one.
    pub fn set_unchecked(&self, unchecked: bool) {
        self.0.send_if_modified(|state| {
            let changed = unchecked || state.unchecked.is_some();
            state.unchecked = unchecked.then(Instant::now);
            changed
        });
    }

    /// It was asked to stop.
    pub fn set_stopping(&self) {
        self.0.send_modify(|state| state.stopping = true);
    }

    /// llama.cpp has answered that its model is loaded, and perhaps its name.
    pub fn saw_llama(&self, model: Option<String>) {
        self.0.send_modify(|state| {
            state.llama_seen = Some(Instant::now());
            if let Some(model) = model {
                state.model = Some(model.into());
            }
        });
    }

    /// llama.cpp does not answer, or not well.
    pub fn missed_llama(&self) {
        self.0.send_modify(|state| state.llama_seen = None);
    }

    /// llama.cpp hangs, or does not.
    pub fn set_silent(&self, silent: bool) {
        self.0.send_if_modified(|state| {
            let changed = state.llama_silent != silent;
            state.llama_silent = silent;
            changed
        });
    }

    /// Why no worker can use llama.cpp; returns whether that is news.
    #[must_use]
    pub fn set_obstacle(&self, obstacle: Option<Obstacle>) -> bool {
        self.0.send_if_modified(|state| {
            let changed = state.obstacle != obstacle;
            state.obstacle = obstacle;
            changed
        })
    }

    /// A request is in flight.
    pub fn enter(&self) {
        self.0.send_modify(|state| state.in_flight += 1);
    }

    /// A request is in flight no more: it is over, or given back.
    pub fn leave(&self) {
        self.0
            .send_modify(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }

    /// A request has had its final reply `time` after its delivery: an answer, or the error named.
    pub fn ended(&self, time: Duration, error: Option<&'static str>) {
        self.0.send_modify(|state| {
            let ended = &mut state.ended;
            ended.time += time;
            if error.is_some() {
                ended.failed += 1;
                ended.last_error = error;
            } else {
                ended.answered += 1;
            }
        });
    }

    /// A request took `time` from its start to its end, and was answered with `reply`, whose speeds
    /// and counts are llama.cpp's.
    #[allow(clippy::cast_precision_loss)] // no answer has 2^52 tokens
    pub fn served(&self, time: Duration, reply: &Reply) {
        let tokens = reply.usage.map(|usage| usage.completion_tokens as f64);
        let timings = reply.timings.as_ref();
        self.0.send_modify(|state| {
            for (average, newest) in [
                (&mut state.service_seconds, Some(time.as_secs_f64())),
                (
                    &mut state.prompt_per_second,
                    timings.and_then(|timings| timings.prompt_per_second),
                ),
                (
                    &mut state.predicted_per_second,
                    timings.and_then(|timings| timings.predicted_per_second),
                ),
                (&mut state.answer_tokens, tokens),
            ] {
                move_by(average, newest);
            }
        });
    }
}

/// Moves an average by its newest value. A value that is missing, or that cannot be (a speed of
/// zero), is ignored.
fn move_by(average: &mut Option<f64>, newest: Option<f64>) {
    let Some(newest) = newest.filter(|newest| newest.is_finite() && *newest > 0.0) else {
        return;
    };
    *average = Some(average.map_or(newest, |average| {
        average.mul_add(1.0 - NEWEST, newest * NEWEST)
    }));
}

#[cfg(test)]
mod tests;
