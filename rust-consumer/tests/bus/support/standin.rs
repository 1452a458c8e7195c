//! The stand-in for llama.cpp.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{PATIENCE, free_port, repository, until};

/// The stand-in for llama.cpp.
pub struct Standin {
    pub port: u16,
    process: Child,
}

impl Standin {
    pub async fn start(options: &[&str]) -> Self {
        Self::start_on(free_port(), options).await
    }

    pub async fn start_on(port: u16, options: &[&str]) -> Self {
        let mut process = Command::new("python3")
            .arg(repository().join("tests/standin/llama.py"))
            .args(["--port", &port.to_string()])
            .args(options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        assert!(first.unwrap().starts_with("listening"));
        Self { port, process }
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub async fn fault(&self, fault: Value) {
        self.post("faults", fault).await;
    }

    /// How its tokenizer fails from now on (tests/standin/tokenizer.py).
    pub async fn tokenizes(&self, mode: &str) {
        self.post("tokenize", json!({"mode": mode})).await;
    }

    async fn post(&self, what: &str, body: Value) {
        let url = format!("http://127.0.0.1:{}/standin/{what}", self.port);
        let client = reqwest::Client::new();
        client
            .post(url)
            .body(body.to_string())
            .send()
            .await
            .unwrap();
    }

    pub async fn log(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/standin/log", self.port);
        let body = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// How each generation ended, in the order in which they began.
    pub async fn outcomes(&self) -> Vec<String> {
        let log = self.log().await;
        let generations = log["generations"].as_array().unwrap();
        generations
            .iter()
            .map(|generation| generation["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// When each generation began (one clock for all on this machine), and its prompt.
    pub async fn prompts(&self) -> Vec<(f64, String)> {
        let log = self.log().await;
        let generations = log["generations"].as_array().unwrap();
        let begun = generations.iter().map(|generation| {
            let prompt = generation["prompt"].as_str().unwrap().to_owned();
            (generation["started"].as_f64().unwrap(), prompt)
        });
        begun.collect()
    }

    /// Waits until it is writing its `count`th answer, and has begun to.
    pub async fn writes(&self, count: usize) {
        until("the model writes", async || {
            let log = self.log().await;
            let generations = log["generations"].as_array().unwrap();
            let last = generations.last()?;
            (generations.len() == count && last["tokens"].as_u64().unwrap() > 0).then_some(())
        })
        .await;
    }
}
