//! The seat of a check of answers: every piece passes here before it is sent, and the end of the
//! answer too.
//!
//! Today everything passes. A check holds pieces back here until it has seen enough, and releases
//! them later.

use crate::contract::messages::TokenEvent;

/// The guard of one answer.
#[derive(Debug, Default)]
pub struct Guard;

impl Guard {
    /// Takes a piece of the answer; returns what may be sent now.
    pub fn push(&mut self, piece: TokenEvent) -> Option<TokenEvent> {
        Some(piece)
    }

    /// The model has ended its answer; returns what was held back and may be sent now.
    pub fn finish(&mut self) -> Option<TokenEvent> {
        None
    }
}
