//! Which request is next, and which ones this process works on.

pub mod in_flight;
pub mod order;
pub mod queue;
pub mod view;
