//! The consumer.

use clap::Parser;
use stile_consumer::config::Config;
use stile_consumer::error::RunError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Bus, PATIENCE, free_port, until};

/// The consumer, in this process.
pub struct Consumer {
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), RunError>>,
}

impl Consumer {
    pub fn start(bus: &Bus, model_port: u16, options: &[&str]) -> Self {
        let port = free_port();
        let arguments = [
            "stile-consumer".to_owned(),
            format!("--nats-url={}", bus.url()),
            format!("--llama-url=http://127.0.0.1:{model_port}"),
            format!("--port={port}"),
        ];
        let options = options.iter().map(|option| (*option).to_owned());
        let config = Config::try_parse_from(arguments.into_iter().chain(options)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(stile_consumer::run(config, async {
            let _ = stopped.await;
        }));
        Self {
            port,
            stop: Some(stop),
            running,
        }
    }

    /// Asks it to stop, as SIGTERM does.
    pub fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Stops it and waits until it has ended.
    pub async fn stop(mut self) {
        if self.stop.is_some() {
            self.ask_to_stop();
        }
        timeout(PATIENCE, self.running)
            .await
            .expect("it does not stop")
            .unwrap()
            .unwrap();
    }

    /// Ends it where it is, as a crash would.
    pub async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let response = reqwest::get(url).await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    pub async fn is_ready(&self) {
        until("the consumer is ready", async || {
            (self.get("/readyz").await?.0 == 200).then_some(())
        })
        .await;
    }
}
