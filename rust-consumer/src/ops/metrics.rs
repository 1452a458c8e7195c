//! What is counted, in `OpenMetrics` text
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ending {
    /// `done`, `stored` (an earlier attempt had answered), an error's code, or why it has no
    /// outcome.
    pub outcome: &'static str,
}

/// Every number that the service keeps.
#[derive(Debug)]
pub struct Metrics {
    /// Jobs that have ended.
    pub jobs: Family<Ending, Counter>,
    /// Jobs that were delivered again.
    pub redeliveries: Counter,
    /// Jobs in flight.
    pub in_flight: Gauge,
    /// Tokens that llama.cpp has written.
    pub tokens: Counter,
    /// Seconds from a job's delivery to its reply.
    pub service_seconds: Histogram,
    /// Seconds from the call of llama.cpp to the first piece of text.
    pub first_token_seconds: Histogram,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            jobs: Family::default(),
            redeliveries: Counter::default(),
            in_flight: Gauge::default(),
            tokens: Counter::default(),
            service_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 20)),
            first_token_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 18)),
            registry: Registry::with_prefix("stile_consumer"),
        };
        let registry = &mut metrics.registry;
        registry.register("jobs", "Jobs that have ended", metrics.jobs.clone());
        registry.register(
            "redeliveries",
            "Jobs that were delivered again",
            metrics.redeliveries.clone(),
        );
        registry.register("in_flight", "Jobs in hand", metrics.in_flight.clone());
        registry.register(
            "tokens",
            "Tokens that the model has written",
            metrics.tokens.clone(),
        );
        registry.register_with_unit(
            "service",
            "From a job's delivery to its reply",
            Unit::Seconds,
            metrics.service_seconds.clone(),
        );
        registry.register_with_unit(
            "first_token",
            "From the call of the model to the first piece of text",
            Unit::Seconds,
            metrics.first_token_seconds.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts a job that ended as `outcome`.
    pub fn ended(&self, outcome: &'static str) {
        self.jobs.get_or_create(&Ending { outcome }).inc();
    }

    /// Writes all of them.
    ///
    /// # Errors
    /// [`fmt::Error`], which a `String` never gives.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page holds the counters under the names that the documentation gives.
    #[test]
    fn the_page_has_the_documented_names() {
        let metrics = Metrics::default();
        metrics.ended("done");
        metrics.service_seconds.observe(0.5);
        let page = metrics.encode().unwrap();
        assert!(
            page.contains("stile_consumer_jobs_total{outcome=\"done\"} 1"),
            "{page}"
        );
        assert!(
            page.contains("stile_consumer_service_seconds_count 1"),
            "{page}"
        );
        assert!(page.ends_with("# EOF\n"));
    }
}
