//! A completion that llama.cpp is writing: the events of its stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Response;
use tokio::time::timeout;

use super::REST;
use super::sse::Parser;
use crate::error::ModelError;

/// One event is at most this long: far more than llama.cpp writes for a token.
const MAX_EVENT_BYTES: usize = 4 << 20;

/// A completion counts as open while this lives.
#[derive(Debug)]
pub(super) struct Call(Arc<AtomicUsize>);

impl Call {
    pub(super) fn begin(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A completion that llama.cpp is writing.
#[derive(Debug)]
pub struct Completion {
    _call: Call,
    response: Response,
    parser: Parser,
}

impl Completion {
    pub(super) fn new(call: Call, response: Response) -> Self {
        Self {
            _call: call,
            response,
            parser: Parser::default(),
        }
    }

    /// Waits for the next events; `None` at the stream's end.
    ///
    /// # Errors
    /// [`ModelError::Failed`]: the stream breaks off.
    pub async fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, ModelError> {
        let piece = self.response.chunk().await;
        let piece = piece.map_err(|_| ModelError::Failed("its stream broke off"))?;
        let events = piece.map(|piece| self.parser.feed(&piece));
        if self.parser.pending() > MAX_EVENT_BYTES {
            return Err(ModelError::Failed("its stream cannot be read"));
        }
        Ok(events)
    }

    /// Waits, a little, until llama.cpp has closed the finished stream.
    pub async fn close(mut self) {
        let end = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        // Whether it came or not, the connection is closed now.
        let _ = timeout(REST, end).await;
    }
}
