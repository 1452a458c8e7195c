//! A real nats-server, the stand-in for llama.cpp, and the consumer between them.

mod consumer;
mod nats;
mod request;
mod standin;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use consumer::Consumer;
pub use nats::Bus;
pub use request::{Replies, ReplyEvent, Request};
pub use standin::Standin;

/// Whatever is waited for comes within this, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Asks again and again until `condition` gives something.
pub async fn until<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
