//! What llama.cpp's tokenizer says. It takes the model no slot.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Llama, refusal};
use crate::error::ModelError;

/// A megabyte of text is read in a few seconds, and many times that on a machine that is busy.
const TOKENIZING: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Tokenize<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    add_special: bool,
    parse_special: bool,
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<i64>,
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

impl Llama {
    /// Asks for the tokens of `text`. Special tokens in it are read as such, or as plain text. `None`:
    /// this server cannot tell.
    ///
    /// # Errors
    /// [`ModelError::NotThere`]: no server answers now. Another one: the server has failed.
    pub async fn tokenize(
        &self,
        text: &str,
        model: Option<&str>,
        parse_special: bool,
    ) -> Result<Option<Vec<i64>>, ModelError> {
        let question = Tokenize {
            content: text,
            model,
            add_special: false,
            parse_special,
        };
        self.tokens(&question).await
    }

    /// Asks how many tokens the model reads for a completion request, its template's own among
    /// them. `None` if the server cannot be asked this.
    ///
    /// # Errors
    /// [`ModelError::NotThere`]: no server answers now. Another one: the server has failed.
    pub async fn count_prompt(&self, request: Bytes) -> Result<Option<u64>, ModelError> {
        let Some(body) = self.post(&self.template, request).await? else {
            return Ok(None);
        };
        let Ok(prompt) = serde_json::from_slice::<Prompt>(&body) else {
            return Ok(None);
        };
        let question = Tokenize {
            content: &prompt.prompt,
            model: None,
            add_special: true,
            parse_special: true,
        };
        let tokens = self.tokens(&question).await?;
        Ok(tokens.map(|tokens| tokens.len() as u64))
    }

    async fn tokens(&self, question: &Tokenize<'_>) -> Result<Option<Vec<i64>>, ModelError> {
        let question =
            serde_json::to_vec(question).map_err(|_| ModelError::Failed("it reads JSON"))?;
        let body = self.post(&self.tokenize, question.into()).await?;
        let tokens = body.and_then(|body| serde_json::from_slice::<Tokens>(&body).ok());
        Ok(tokens.map(|tokens| tokens.tokens))
    }

    /// Asks what takes the model no slot; `None` if the server cannot be asked this.
    async fn post(&self, url: &Url, question: Bytes) -> Result<Option<Bytes>, ModelError> {
        let answer = async {
            let request = self.http.post(url.clone()).body(question);
            let response = request
                .header(CONTENT_TYPE, "application/json")
                .send()
                .await
                .map_err(|_| ModelError::NotThere("it does not answer"))?;
            match response.status() {
                StatusCode::OK => {}
                // Not llama.cpp's, or one of before, or one that asks for more.
                StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::UNPROCESSABLE_ENTITY
                | StatusCode::NOT_IMPLEMENTED => return Ok(None),
                _ => return Err(refusal(response).await),
            }
            let body = response.bytes().await;
            body.map(Some)
                .map_err(|_| ModelError::NotThere("it does not answer"))
        };
        timeout(TOKENIZING, answer)
            .await
            .unwrap_or(Err(ModelError::NotThere("it does not answer")))
    }
}
