//! Traces by OpenTelemetry: off unless one of its standard variables names a receiver. No span has a
//! text of a request or an answer.

use std::collections::HashMap;
use std::env;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use thiserror::Error;

use crate::contract::headers::{Envelope, TRACEPARENT};
use crate::contract::messages::Reply;

/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
const RECEIVERS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
const CLOSE: Duration = Duration::from_secs(5);

/// The receiver of traces cannot be used.
#[derive(Debug, Error)]
pub enum TracesError {
    /// It wants TLS, which the worker does not speak to it.
    #[error("{0}: the worker sends traces only over http://; name a collector on this machine")]
    Scheme(&'static str),
    /// The exporter cannot be made.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(String),
}

/// Sends the spans of this process, or drops them.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    sending: Option<(SdkTracerProvider, SdkTracer)>,
}

impl Traces {
    /// Reads OpenTelemetry's variables.
    ///
    /// # Errors
    /// [`TracesError`]: they name a receiver that cannot be used.
    pub fn from_environment() -> Result<Self, TracesError> {
        let is = |name, value: &str| {
            env::var(name).is_ok_and(|given| given.trim().eq_ignore_ascii_case(value))
        };
        let receiver = RECEIVERS
            .into_iter()
            .find_map(|name| Some((name, env::var(name).ok().filter(|url| !url.is_empty())?)));
        let Some((name, url)) = receiver else {
            return Ok(Self::default());
        };
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(Self::default());
        }
        if !url.starts_with("http://") {
            return Err(TracesError::Scheme(name));
        }
        let exporter = SpanExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| TracesError::Exporter(error.to_string()))?;
        let mut resource = Resource::builder().with_attributes([
            KeyValue::new("service.namespace", "stile"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        // If OTEL_SERVICE_NAME is set, the builder has read it.
        if env::var("OTEL_SERVICE_NAME").is_err() {
            resource = resource.with_service_name("stile-consumer");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("stile");
        Ok(Self {
            sending: Some((provider, tracer)),
        })
    }

    /// Begins the span of a job. If it `waited` in the queue, this time has a span of its
    /// own.
    #[must_use]
    pub fn job(&self, envelope: &Envelope, waited: Option<Duration>) -> JobTrace {
        let Some((_, tracer)) = &self.sending else {
            return JobTrace::default();
        };
        let carrier: HashMap<String, String> = envelope
            .traceparent
            .iter()
            .map(|context| (TRACEPARENT.to_owned(), context.clone()))
            .collect();
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let address = &envelope.address;
        if let Some(began) = waited.and_then(|waited| SystemTime::now().checked_sub(waited)) {
            let mut queue = tracer
                .span_builder("queue")
                .with_start_time(began)
                .start_with_context(tracer, &parent);
            queue.set_attribute(KeyValue::new("stile.lane", address.lane.name()));
            queue.end();
        }
        let job = tracer
            .span_builder("job")
            .with_kind(SpanKind::Consumer)
            .with_attributes([
                KeyValue::new("stile.chat_id", address.id.to_string()),
                KeyValue::new("stile.client", address.client.clone()),
                KeyValue::new("stile.lane", address.lane.name()),
                KeyValue::new("stile.attempt", attribute(envelope.attempt)),
            ])
            .start_with_context(tracer, &parent);
        JobTrace {
            sending: Some((tracer.clone(), parent.with_span(job))),
        }
    }

    /// Sends what is left, for at most five seconds, and then nothing more. It blocks.
    pub fn close(&self) {
        if let Some((provider, _)) = &self.sending
            && let Err(error) = provider.shutdown_with_timeout(CLOSE)
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The spans of one job.
#[derive(Debug, Default)]
pub struct JobTrace {
    sending: Option<(SdkTracer, Context)>,
}

impl JobTrace {
    /// Notes that the model has generated an answer, since `began`. The names are those of
    /// OpenTelemetry's conventions for generative AI
    /// (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>).
    pub fn generated(&self, began: SystemTime, reply: &Reply) {
        let Some((tracer, job)) = &self.sending else {
            return;
        };
        let model = reply.model.clone().unwrap_or_default();
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", "llama.cpp"),
            KeyValue::new("gen_ai.response.model", model.clone()),
        ];
        if let Some(reason) = reply.finish_reason {
            let reasons = opentelemetry::Array::String(vec![reason.name().into()]);
            attributes.push(KeyValue::new(
                "gen_ai.response.finish_reasons",
                Value::Array(reasons),
            ));
        }
        if let Some(usage) = &reply.usage {
            attributes.push(KeyValue::new(
                "gen_ai.usage.input_tokens",
                attribute(usage.prompt_tokens),
            ));
            attributes.push(KeyValue::new(
                "gen_ai.usage.output_tokens",
                attribute(usage.completion_tokens),
            ));
        }
        tracer
            .span_builder(format!("chat {model}"))
            .with_kind(SpanKind::Client)
            .with_start_time(began)
            .with_attributes(attributes)
            .start_with_context(tracer, job)
            .end();
    }

    /// Notes that the result was stored and the reply was sent, since `began`.
    pub fn replied(&self, began: SystemTime) {
        if let Some((tracer, job)) = &self.sending {
            tracer
                .span_builder("reply")
                .with_start_time(began)
                .start_with_context(tracer, job)
                .end();
        }
    }

    /// Ends the span of the job.
    pub fn ended(self, outcome: &'static str) {
        let Some((_, job)) = self.sending else {
            return;
        };
        let span = job.span();
        span.set_attribute(KeyValue::new("stile.outcome", outcome));
        if !matches!(outcome, "done" | "refused" | "stored" | "cancelled") {
            span.set_attribute(KeyValue::new("error.type", outcome));
            span.set_status(Status::error(outcome));
        }
        span.end();
    }
}

/// Attributes have signed integers.
fn attribute(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
