//! The consumer between a real nats-server and a stand-in for llama.cpp.

// A failing helper is a failing test.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod answer_checks;
mod answers;
mod cancelling;
mod control_tokens;
mod failures;
mod following;
mod giving_up;
mod holding;
mod routing;
mod signing;
mod slots;
mod support;
mod turns;
