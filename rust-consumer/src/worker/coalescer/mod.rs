//! The pieces of an answer, coalesced: a fast model does not make a message of each. Pure: no
//! network.

use std::time::Duration;

use tokio::time::Instant;

use crate::contract::messages::TokenEvent;

/// The least time between two messages: 50 a second look like writing, and cost little.
const APART: Duration = Duration::from_millis(20);

/// The pieces that were written and not sent yet.
///
/// The first piece is sent at once, and so is each of a model that takes longer than [`APART`] for
/// one.
#[derive(Debug, Default)]
pub struct Coalescer {
    coalesced: Option<TokenEvent>,
    sent: Option<Instant>,
}

impl Coalescer {
    /// Takes a piece that comes `now`; returns what is to be sent now, if anything is.
    pub fn push(&mut self, piece: TokenEvent, now: Instant) -> Option<TokenEvent> {
        match &mut self.coalesced {
            Some(coalesced) => coalesced.join(piece),
            none => *none = Some(piece),
        }
        if self.due().is_some_and(|due| now < due) {
            return None;
        }
        self.take(now)
    }

    /// When the coalesced pieces are to be sent; `None` if there are none.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.coalesced.as_ref().and(self.sent).map(|at| at + APART)
    }

    /// Returns the coalesced pieces; they count as sent `now`.
    pub fn take(&mut self, now: Instant) -> Option<TokenEvent> {
        let coalesced = self.coalesced.take()?;
        self.sent = Some(now);
        Some(coalesced)
    }
}

#[cfg(test)]
mod tests;
