//! Waiting between attempts: for what comes back by itself.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::BusError;

/// The first wait.
pub const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The waits between attempts: each twice as long as the one before, from 100 ms up to 2 s.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let next = self.last.map_or(SHORTEST_WAIT, |last| last * 2);
        *self.last.insert(next.min(LONGEST_WAIT))
    }
}

/// Asks the bus until it answers; the lease, the deadline or the stop ends that. Only what can
/// never succeed is an error.
///
/// # Errors
/// [`BusError::TooLarge`].
pub async fn retry<T, F>(ask: impl Fn() -> F) -> Result<T, BusError>
where
    F: Future<Output = Result<T, BusError>>,
{
    let mut backoff = Backoff::default();
    loop {
        match ask().await {
            Err(BusError::TooLarge) => return Err(BusError::TooLarge),
            Err(error) => {
                tracing::warn!(%error, "the results cannot be reached, trying again");
                sleep(backoff.next_wait()).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits double up to two seconds.
    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..7).map(|_| backoff.next_wait().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000]);
    }
}
