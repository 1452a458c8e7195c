//! The service's own HTTP port: `/healthz`, `/readyz`, `/metrics`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Metrics};
use super::status::Status;

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'static, str>>,
    /// Present, and true, if llama.cpp's server must be started again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stuck: bool,
    /// Present, and true, if the queue is on hold: no job is taken until it is resumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    held: bool,
}

/// Serves until `stop`.
///
/// # Errors
/// [`std::io::Error`]: the listener fails.
pub async fn serve(
    listener: TcpListener,
    status: Status,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready).with_state(status))
        .route("/metrics", get(page).with_state(metrics));
    axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn ready(State(status): State<Status>) -> impl IntoResponse {
    let state = status.now();
    let (reason, stuck) = (state.unready(), state.is_stuck());
    let ready = reason.is_none();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        Json(Readiness {
            ready,
            reason,
            stuck,
            held: state.held,
        }),
    )
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Result<impl IntoResponse, StatusCode> {
    let page = metrics
        .encode()
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page))
}
