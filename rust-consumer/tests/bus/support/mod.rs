//! A real nats-server, the stand-in for llama.cpp, and the consumer between them.

mod consumer;
mod nats;
mod request;
mod standin;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// Gives a port on loopback that nothing listens on now, another one each time.
///
/// It is below the ports that the system gives to outgoing connections (from 32768 on). Otherwise
/// a connection of another test can take it before the caller listens on it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    let ports = std::iter::repeat_with(|| {
        let turn = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + turn % COUNT).unwrap()
    });
    ports
        .take(COUNT as usize)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
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
