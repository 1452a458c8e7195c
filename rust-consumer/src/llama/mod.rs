//! llama.cpp's HTTP server, as a client sees it. Errors of `reqwest` are translated here.

pub mod answer;
pub mod completion;
pub mod control_tokens;
pub mod key;
pub mod props;
pub mod request;
pub mod slot;
pub mod sse;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::timeout;

use crate::error::{ModelError, RunError};
use answer::short_name;
use completion::{Call, Completion};
use key::Key;
use props::Props;

const CONNECT: Duration = Duration::from_secs(2);
/// For questions that llama.cpp answers at once.
pub const QUESTION: Duration = Duration::from_secs(3);
/// Why it is not there, if it takes connections and does not answer: it is frozen, or does nothing
/// but compute.
pub const SILENT: &str = "it does not answer";
/// An error's body is read no longer, and a finished stream's end is waited for no longer.
const REST: Duration = Duration::from_secs(1);

/// A client of one llama.cpp server.
#[derive(Debug, Clone)]
pub struct Llama {
    http: Client,
    completions: Url,
    health: Url,
    models: Url,
    props: Url,
    slots: Url,
    tokenize: Url,
    template: Url,
    /// How many completions are open, of all clones.
    open: Arc<AtomicUsize>,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[derive(Deserialize)]
struct Slot {
    is_processing: bool,
}

impl Llama {
    /// Makes the client; nothing is connected. Every request of it carries `key`.
    ///
    /// Connections are not kept: one that is used again after a stream fails now and then
    /// (seen with `xllamacpp`), and on loopback a new one costs less than a tenth of a millisecond.
    ///
    /// # Errors
    /// [`RunError::Llama`]: the HTTP client cannot be set up.
    pub fn new(base: &Url, key: Option<&Key>) -> Result<Self, RunError> {
        let authorization = key.map(|key| (AUTHORIZATION, key.authorization()));
        let http = Client::builder()
            .default_headers(HeaderMap::from_iter(authorization))
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(RunError::Llama)?;
        let at = |path: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
            url
        };
        Ok(Self {
            http,
            completions: at("/v1/chat/completions"),
            health: at("/health"),
            models: at("/v1/models"),
            props: at("/props"),
            slots: at("/slots"),
            tokenize: at("/tokenize"),
            template: at("/apply-template"),
            open: Arc::default(),
        })
    }

    /// Asks whether the model is loaded.
    ///
    /// # Errors
    /// [`ModelError`]: it is not, or nobody answers.
    pub async fn health(&self) -> Result<(), ModelError> {
        self.ask(&self.health).await.map(drop)
    }

    /// Asks for the model's short name.
    ///
    /// # Errors
    /// [`ModelError`]: nobody answers, or there is no name.
    pub async fn model(&self) -> Result<String, ModelError> {
        let body = self.ask(&self.models).await?;
        serde_json::from_slice::<Models>(&body)
            .ok()
            .and_then(|models| models.data.into_iter().next())
            .map(|model| short_name(&model.id).to_owned())
            .ok_or(ModelError::Failed("it names no model"))
    }

    /// Asks what the model can do.
    ///
    /// # Errors
    /// [`ModelError`]: nobody answers, or the server has no properties.
    pub async fn props(&self) -> Result<Props, ModelError> {
        self.ask(&self.props).await.map(|body| Props::read(&body))
    }

    /// Asks whether a slot is free. A server that does not answer counts as busy: `/slots` is
    /// answered between two steps of the work. A server that does not show its slots counts as
    /// free: it queues by itself.
    ///
    /// # Errors
    /// [`ModelError::NotThere`]: it refuses connections, or loads its model;
    /// [`ModelError::WrongKey`].
    pub async fn is_idle(&self) -> Result<bool, ModelError> {
        match self.ask(&self.slots).await {
            Ok(body) => Ok(serde_json::from_slice::<Vec<Slot>>(&body)
                .map_or(true, |slots| slots.iter().any(|slot| !slot.is_processing))),
            Err(ModelError::NotThere(SILENT)) => Ok(false),
            Err(error @ (ModelError::NotThere(_) | ModelError::WrongKey)) => Err(error),
            Err(_) => Ok(true),
        }
    }

    /// Whether a completion of this client or its clones is open: then a busy slot is as it should
    /// be.
    #[must_use]
    pub fn is_called(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Asks for a completion; the answer is read off the returned [`Completion`]. Dropping that, or
    /// this future, closes the connection, and llama.cpp frees its slot.
    ///
    /// There is no timeout: a long prompt is read for minutes before the first byte comes. The
    /// caller's deadline ends it.
    ///
    /// # Errors
    /// [`ModelError`]; if it is [`ModelError::NotThere`], nothing was generated.
    pub async fn complete(&self, request: Bytes) -> Result<Completion, ModelError> {
        let call = Call::begin(&self.open);
        let response = self
            .http
            .post(self.completions.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(request)
            .send()
            .await
            .map_err(|error| {
                if error.is_connect() {
                    ModelError::NotThere(SILENT)
                } else {
                    ModelError::Failed("it closed the connection")
                }
            })?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        Ok(Completion::new(call, response))
    }

    /// Asks a question that changes nothing.
    async fn ask(&self, url: &Url) -> Result<Bytes, ModelError> {
        let answer = async {
            let response = self.http.get(url.clone()).send().await;
            let response = response.map_err(|error| unanswered(&error))?;
            if response.status() != StatusCode::OK {
                return Err(refusal(response).await);
            }
            response.bytes().await.map_err(|error| unanswered(&error))
        };
        timeout(QUESTION, answer)
            .await
            .unwrap_or(Err(ModelError::NotThere(SILENT)))
    }
}

fn unanswered(error: &reqwest::Error) -> ModelError {
    ModelError::NotThere(if error.is_timeout() {
        SILENT // A frozen server's queue of connections is full.
    } else {
        "it cannot be reached"
    })
}

async fn refusal(response: Response) -> ModelError {
    let status = response.status().as_u16();
    let body = timeout(REST, response.bytes()).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    answer::error_answer(status, &body)
}
