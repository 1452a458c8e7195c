//! The lease of a job: renewed while the work goes on; if it cannot be renewed in time, the work is
//! dropped.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::Bus;
use super::jobs::Delivery;
use crate::error::JobError;

/// A renewal that failed is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);

/// A worker's lease of one delivery.
#[derive(Debug)]
pub struct Lease<'a> {
    bus: &'a Bus,
    delivery: &'a Delivery,
    /// The stream gives the job to another after this long without a renewal (`ack_wait`).
    length: Duration,
}

impl<'a> Lease<'a> {
    /// A lease that began when the delivery was received.
    #[must_use]
    pub fn new(bus: &'a Bus, delivery: &'a Delivery, length: Duration) -> Self {
        Self {
            bus,
            delivery,
            length,
        }
    }

    /// Awaits `work` while the lease can be renewed.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`]: the work was dropped; otherwise the work's own.
    pub async fn keep<T>(
        &self,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.renew_until_lost() => Err(JobError::LeaseLost),
        }
    }

    /// A tenth of the lease is left for the renewal's way to the server, and for clocks that run at
    /// different speeds.
    async fn renew_until_lost(&self) {
        let mut end = self.delivery.received + self.length.mul_f64(0.9);
        let mut next = self.delivery.received + self.length.mul_f64(0.3);
        loop {
            sleep_until(next).await;
            let asked = Instant::now();
            if asked >= end {
                return; // The process was paused: the job may be another's.
            }
            match timeout_at(end, self.bus.renew(self.delivery)).await {
                Ok(Ok(())) => {
                    end = asked + self.length.mul_f64(0.9);
                    next = asked + self.length.mul_f64(0.3);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the lease was not renewed, trying again");
                    next = Instant::now() + AGAIN;
                }
                Err(_) => return,
            }
        }
    }
}
