//! What can go wrong, and what follows from it.
//!
//! ```text
//! RunError                the process cannot start or go on: exit 1
//!  ├ Listen               the HTTP port is not to be had
//!  ├ Bus(BusError)        the bus's client cannot be set up
//!  ├ Tls(TlsError)        the files for TLS cannot be used
//!  ├ Llama                the HTTP client cannot be set up
//!  ├ Key(KeyError)        llama.cpp's key cannot be used
//!  ├ Traces(TracesError)  the receiver of traces cannot be used
//!  ├ Signals              signals cannot be listened for
//!  └ Task                 one of the service's tasks has ended
//!
//! JobError                a job ended without an answer                code                      acknowledged by
//!  ├ Forged(Forgery)      the filter has not signed it                 – (nothing is sent)       reject
//!  ├ TooManyAttempts      delivered more than three times              too_many_attempts         term
//!  ├ Malformed            headers or body cannot be read               malformed_message         term
//!  ├ ReplyNotAllowed      the reply subject is not allowed             – (nothing is sent)       term
//!  ├ DeadlineExceeded     Chat-Deadline has passed                     deadline_exceeded         term; ack once it ran
//!  ├ Cancelled            its requester wants it no more               cancelled                 ack
//!  ├ AnswerRefused        the filter refused the answer                – (a refusal is sent)     ack
//!  ├ AnswerUnchecked      no filter checked the answer in time         answer_unchecked          ack
//!  ├ ControlToken         a text that the model takes for structure    invalid_request           ack
//!  ├ Model(ModelError)
//!  │  ├ NotThere          refuses connections or loads, for too long   model_unavailable         ack
//!  │  ├ WrongKey          it does not take the key, for too long       model_unavailable         ack
//!  │  ├ ContextExceeded   the conversation is too long                 context_length_exceeded   ack
//!  │  ├ Refused           it found a fault in the request              invalid_request           ack
//!  │  └ Failed            an error answer, or the stream broke off     model_failed              ack
//!  ├ Bus(BusError)        the stored result could not be sent          –                         nak
//!  ├ Internal             a defect of this service                     –                         nak
//!  ├ Stopping             no time is left before the shutdown          –                         nak
//!  └ LeaseLost            another worker may have the job              –                         leave
//!
//! BusError                NATS did not do what it was asked: tried again while the lease lasts
//!  ├ TimedOut             no answer in time
//!  ├ Client               the client cannot be made
//!  ├ Missing              the stream is not there
//!  ├ Refused              the server said no
//!  └ TooLarge             the message is larger than the server takes
//!
//! InvalidMessage          a body that is not what its schema says
//!  ├ Json                 not JSON, or not of this shape
//!  └ Value                a field holds a value that it may not
//! ```
//!
//! Foreign errors are translated at the edge: those of `reqwest` in [`crate::llama`], those of
//! `async-nats` in [`crate::bus`].

mod code;
mod job;

use thiserror::Error;

pub use code::ErrorCode;
pub use job::JobError;

use crate::bus::tls::TlsError;
use crate::llama::key::KeyError;
use crate::ops::traces::TracesError;

/// Why the process cannot start, or not go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The HTTP port is not to be had.
    #[error("STILE_CONSUMER_HOST, STILE_CONSUMER_PORT: cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The bus's client cannot be set up; a bus that is away is waited for.
    #[error("STILE_NATS_URL, STILE_NATS_NKEY_FILE: {0}")]
    Bus(#[from] BusError),
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP client cannot be set up.
    #[error("STILE_LLAMA_URL: {0}")]
    Llama(reqwest::Error),
    /// The key to llama.cpp cannot be used; the text never quotes it.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The receiver of traces cannot be used.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// One of the service's tasks ended before the shutdown.
    #[error("a task of the service ended: {0}")]
    Task(String),
}

/// What llama.cpp did instead of answering. The text is what the requester reads; it names no
/// address.
#[derive(Debug, Error)]
pub enum ModelError {
    /// It refuses connections, or is loading its model.
    #[error("The model is not there ({0}); ask again later.")]
    NotThere(&'static str),
    /// It does not take the key that it is asked with.
    #[error("The model is not there (it does not take Stile's key); ask again later.")]
    WrongKey,
    /// The conversation is longer than the model's context; llama.cpp may send the numbers.
    #[error("{}", too_long(*.0))]
    ContextExceeded(Option<Context>),
    /// It found a fault in what was asked, and says which; the reason may quote the request.
    #[error("The model cannot answer this: {0}")]
    Refused(String),
    /// It answered with an error, or its stream broke off.
    #[error("The model failed ({0}); ask again.")]
    Failed(&'static str),
}

/// How long a conversation is that the model cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Tokens that the model can read and write (`n_ctx`).
    pub size: u64,
    /// Tokens of the conversation (`n_prompt_tokens`).
    pub prompt: u64,
}

/// In the words by which clients of `OpenAI`'s API know this error.
fn too_long(context: Option<Context>) -> String {
    let Some(Context { size, prompt }) = context else {
        return "The conversation exceeds this model's maximum context length; leave out some of its messages."
            .to_owned();
    };
    format!(
        "This model's maximum context length is {size} tokens. However, your messages resulted in {prompt} \
         tokens. Leave out some of them."
    )
}

impl ModelError {
    /// Whether the model is only away: it may come back, and has generated nothing.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NotThere(_) | Self::WrongKey)
    }
}

/// What NATS did not do.
#[derive(Debug, Error)]
pub enum BusError {
    /// No answer in time: the bus, or the stream's leader, is away.
    #[error("no answer in time")]
    TimedOut,
    /// The connection is closed, or the client cannot be made.
    #[error("{0}")]
    Client(String),
    /// The stream or the consumer is not there.
    #[error("{0} is not there")]
    Missing(&'static str),
    /// The server said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The message is larger than the server takes.
    #[error("too large for the bus")]
    TooLarge,
}

/// A body that is not what its schema says. The text never quotes it.
#[derive(Debug, Error)]
pub enum InvalidMessage {
    /// Not JSON, or not of this shape.
    #[error("not the JSON that was expected (line {}, column {})", .0.line(), .0.column())]
    Json(#[from] serde_json::Error),
    /// The field holds a value that it may not.
    #[error("{0} is not valid")]
    Value(&'static str),
}
