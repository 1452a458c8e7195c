//! `stile-consumer`: settings, logging, signals; the rest is in the library.

use std::io::{self, Write};
use std::process::ExitCode;

use stile_consumer::config::{Config, LogFormat};
use stile_consumer::error::RunError;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// One thread: a job is a few waits on the network, and a second thread would only cost memory.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::read() {
        Ok(config) => config,
        Err(error) if error.use_stderr() => return refuse(&error),
        Err(help_or_version) => help_or_version.exit(),
    };
    log(&config);
    match start(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// One line, which names the variable; the log is not there yet.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    // If standard error is closed, the exit code has to do.
    let _ = writeln!(io::stderr(), "{line}");
    ExitCode::FAILURE
}

async fn start(config: Config) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    stile_consumer::run(config, shutdown).await
}

fn log(config: &Config) {
    // What async-nats would log comes as events and errors too, and is logged once.
    let filter = Targets::new()
        .with_default(tracing::Level::WARN)
        .with_target("async_nats", LevelFilter::OFF)
        .with_target("stile_consumer", config.log_level);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
}
