//! What is counted, in `OpenMetrics` text
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
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

/// Which model wrote an answer. The names are those of OpenTelemetry's conventions for generative
/// AI (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>).
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Generated {
    /// Always `chat`.
    pub gen_ai_operation_name: &'static str,
    /// The model's short name.
    pub gen_ai_response_model: String,
}

/// A histogram for each model.
type ByModel = Family<Generated, Histogram, fn() -> Histogram>;

// The buckets that the conventions advise.
const FIRST_TOKEN: [f64; 16] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const OUTPUT_TOKEN: [f64; 13] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];
const REQUEST: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

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
    request_duration: ByModel,
    time_to_first_token: ByModel,
    time_per_output_token: ByModel,
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
            request_duration: ByModel::new_with_constructor(|| Histogram::new(REQUEST)),
            time_to_first_token: ByModel::new_with_constructor(|| Histogram::new(FIRST_TOKEN)),
            time_per_output_token: ByModel::new_with_constructor(|| Histogram::new(OUTPUT_TOKEN)),
            registry: Registry::default(),
        };
        let registry = metrics.registry.sub_registry_with_prefix("stile_consumer");
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("jobs", "Jobs that have ended", metrics.jobs.clone());
        registry.register(
            "redeliveries",
            "Jobs that were delivered again",
            metrics.redeliveries.clone(),
        );
        registry.register("in_flight", "Jobs in flight", metrics.in_flight.clone());
        registry.register(
            "tokens",
            "Tokens that the model has written",
            metrics.tokens.clone(),
        );
        registry.register_with_unit(
            "service",
            "From the delivery of a job to its reply",
            Unit::Seconds,
            metrics.service_seconds.clone(),
        );
        registry.register_with_unit(
            "first_token",
            "From the call of the model to the first piece of text",
            Unit::Seconds,
            metrics.first_token_seconds.clone(),
        );
        // Rare and watched (`ops/alerts.yml`). They begin at 0, so that the first one is an increase.
        for outcome in [
            "answer_unchecked",
            "model_failed",
            "model_unavailable",
            "too_many_attempts",
            "unsigned",
        ] {
            drop(metrics.jobs.get_or_create(&Ending { outcome }));
        }
        let registry = metrics.registry.sub_registry_with_prefix("gen_ai_server");
        registry.register_with_unit(
            "request_duration",
            "From the call of the model to the end of its answer",
            Unit::Seconds,
            metrics.request_duration.clone(),
        );
        registry.register_with_unit(
            "time_to_first_token",
            "From the call of the model to the first token, of whole answers",
            Unit::Seconds,
            metrics.time_to_first_token.clone(),
        );
        registry.register_with_unit(
            "time_per_output_token",
            "For each token after the first one, of whole answers",
            Unit::Seconds,
            metrics.time_per_output_token.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts a job that ended as `outcome`.
    pub fn ended(&self, outcome: &'static str) {
        self.jobs.get_or_create(&Ending { outcome }).inc();
    }

    /// Counts a whole answer of `tokens` tokens that `model` wrote. `first` is the time to its first
    /// token, if it has one, and `whole` the time to its end, both from the call of llama.cpp.
    pub fn generated(&self, model: &str, first: Option<Duration>, whole: Duration, tokens: u64) {
        let labels = Generated {
            gen_ai_operation_name: "chat",
            gen_ai_response_model: model.to_owned(),
        };
        self.request_duration
            .get_or_create(&labels)
            .observe(whole.as_secs_f64());
        let Some(first) = first else { return };
        self.time_to_first_token
            .get_or_create(&labels)
            .observe(first.as_secs_f64());
        let following = u32::try_from(tokens).unwrap_or(u32::MAX).saturating_sub(1);
        if following > 0 {
            let each = whole.saturating_sub(first).as_secs_f64() / f64::from(following);
            self.time_per_output_token
                .get_or_create(&labels)
                .observe(each);
        }
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
    use std::collections::BTreeSet;

    use super::*;

    /// An answer of eleven tokens took 0.2 s to the first one, and 0.1 s for each of the others.
    #[test]
    fn an_answer_counts_under_its_models_name() {
        let metrics = Metrics::default();
        let (first, whole) = (Duration::from_millis(200), Duration::from_millis(1200));
        metrics.generated("smollm2", Some(first), whole, 11);
        let page = metrics.encode().unwrap();
        let labels = "gen_ai_operation_name=\"chat\",gen_ai_response_model=\"smollm2\"";
        for (name, sum) in [
            ("request_duration", "1.2"),
            ("time_to_first_token", "0.2"),
            ("time_per_output_token", "0.1"),
        ] {
            let line = format!("gen_ai_server_{name}_seconds_sum{{{labels}}} {sum}\n");
            assert!(page.contains(&line), "{line}{page}");
        }
    }

    /// `docs/metrics.md` has a row for each metric, with its kind and the same words, and no other
    /// row of the worker's. What a family has no value of yet is on the page by its name and kind.
    #[test]
    fn the_documentation_has_each_metric() {
        let metrics = Metrics::default();
        metrics.ended("done");
        metrics.generated("m", Some(Duration::ZERO), Duration::ZERO, 2);
        let page = metrics.encode().unwrap();
        let of = |keyword: &str| -> Vec<(String, String)> {
            page.lines()
                .filter_map(|line| line.strip_prefix(keyword)?.split_once(' '))
                .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
                .collect()
        };
        let kinds = of("# TYPE ");
        let rows: BTreeSet<String> = of("# HELP ")
            .into_iter()
            .map(|(name, help)| {
                let kind = &kinds.iter().find(|(other, _)| *other == name).unwrap().1;
                let suffix = match kind.as_str() {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                let labels = labels(&page, &name);
                format!("| `{name}{suffix}` | {kind} | {labels} | {help} |")
            })
            .collect();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let document = std::fs::read_to_string(file).unwrap();
        let documented: BTreeSet<String> = document
            .lines()
            .filter(|line| line.starts_with("| `stile_consumer_") || line.starts_with("| `gen_ai_"))
            .map(str::to_owned)
            .collect();
        assert_eq!(rows, documented);
        assert!(page.ends_with("# EOF\n"));
    }

    /// The labels of a metric's first line, without a histogram's own.
    fn labels(page: &str, name: &str) -> String {
        let line = page.lines().find(|line| line.starts_with(name)).unwrap();
        let of_line = line.split_once('{').map_or("", |(_, rest)| rest);
        let labels: Vec<String> = of_line
            .split("\",")
            .filter_map(|label| Some(format!("`{}`", label.split_once('=')?.0)))
            .filter(|label| label != "`le`")
            .collect();
        labels.join(", ")
    }
}
