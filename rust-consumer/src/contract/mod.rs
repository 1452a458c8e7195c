//! What is agreed between the services, as in `contracts/src/stile_contracts/`: names on the bus
//! and the messages.

pub mod address;
pub mod headers;
pub mod messages;
pub mod model;
pub mod subjects;
