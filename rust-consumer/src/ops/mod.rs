//! What the service knows of its own state, and how others learn it.

pub mod clock;
pub mod health;
pub mod heartbeat;
pub mod llama_watch;
pub mod metrics;
pub mod service;
pub mod status;
pub mod traces;
