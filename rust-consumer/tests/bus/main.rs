//! The consumer between a real nats-server and a stand-in for llama.cpp.

mod answers;
mod failures;
mod holding;
mod support;
