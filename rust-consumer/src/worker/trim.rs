//! How much of a conversation the model is given: all, or all but its oldest exchanges.
//!
//! llama.cpp itself writes and counts the prompt, so the number is exact (docs/adr/0041).

use std::borrow::Cow;
use std::num::NonZeroU32;

use serde_json::Value;
use uuid::Uuid;

use crate::contract::messages::ApprovedChat;
use crate::error::JobError;
use crate::llama::Llama;
use crate::llama::request::completion_request;

/// A conversation that was fitted into the model's context.
#[derive(Debug)]
pub struct Trimmed<'a> {
    /// What the model is given.
    pub chat: Cow<'a, ApprovedChat>,
    /// How many exchanges are left out; `None` is none.
    pub left_out: Option<NonZeroU32>,
}

/// Leaves out as many of the oldest exchanges as are needed, if the filter allows that. The system
/// message and the last exchange always stay. If llama.cpp cannot count, nothing is left out.
///
/// # Errors
/// [`JobError::Model`]: llama.cpp is away.
pub async fn fitting<'a>(
    llama: &Llama,
    chat: &'a ApprovedChat,
    id: Uuid,
    n_ctx: Option<NonZeroU32>,
) -> Result<Trimmed<'a>, JobError> {
    let whole = Trimmed {
        chat: Cow::Borrowed(chat),
        left_out: None,
    };
    let most = chat.exchanges.len().saturating_sub(1);
    let Some(limits) = n_ctx.map(|n_ctx| Limits::new(chat, n_ctx)) else {
        return Ok(whole);
    };
    let request = completion_request(chat, id)?;
    // A token is a byte at least.
    if most == 0 || request.len() as u64 <= limits.room {
        return Ok(whole);
    }
    let Some(total) = llama.count_prompt(request).await? else {
        return Ok(whole);
    };
    let Some(target) = limits.target(total) else {
        return Ok(whole);
    };
    let (mut fewest, mut enough) = (1, most);
    while fewest < enough {
        let middle = usize::midpoint(fewest, enough);
        let request = completion_request(&without(chat, middle), id)?;
        match llama.count_prompt(request).await? {
            Some(count) if count <= target => enough = middle,
            _ => fewest = middle + 1,
        }
    }
    Ok(Trimmed {
        chat: Cow::Owned(without(chat, fewest)),
        left_out: u32::try_from(fewest).ok().and_then(NonZeroU32::new),
    })
}

/// The conversation without its oldest `count` exchanges.
fn without(chat: &ApprovedChat, count: usize) -> ApprovedChat {
    let start = |exchange: usize| chat.exchanges.get(exchange).copied().unwrap_or_default();
    let left_out = start(0)..start(count);
    let messages = chat.messages.iter().enumerate();
    let kept = messages.filter(|(index, _)| !left_out.contains(index));
    ApprovedChat {
        messages: kept.map(|(_, message)| message.clone()).collect(),
        exchanges: Vec::new(),
        sampling: chat.sampling.clone(),
        output: chat.output.clone(),
        model: chat.model.clone(),
        check_answer: chat.check_answer,
        refusal_message: chat.refusal_message.clone(),
    }
}

/// In tokens.
#[derive(Debug)]
struct Limits {
    /// What the prompt may have: the answer needs the rest.
    room: u64,
    /// What is left out at once: the turns that follow begin with the same messages then, and the
    /// model need not read them again.
    step: u64,
}

impl Limits {
    fn new(chat: &ApprovedChat, n_ctx: NonZeroU32) -> Self {
        let n_ctx = u64::from(n_ctx.get());
        let step = (n_ctx / 4).max(1);
        let max_tokens = chat.sampling.get("max_tokens").and_then(Value::as_u64);
        Self {
            room: n_ctx - max_tokens.map_or(step, |max| max.min(step)),
            step,
        }
    }

    /// How many tokens may stay of `total`; `None`: all.
    fn target(&self, total: u64) -> Option<u64> {
        let excess = total.checked_sub(self.room).filter(|excess| *excess > 0)?;
        Some(total.saturating_sub(excess.div_ceil(self.step) * self.step))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::messages::Message;

    fn chat(exchanges: &[usize]) -> ApprovedChat {
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let messages = [
            message("system", "S"),
            message("user", "1"),
            message("assistant", "one"),
            message("user", "2"),
            message("user", "2b"),
            message("assistant", "two"),
            message("user", "3"),
        ];
        let body =
            json!({"messages": messages, "exchanges": exchanges, "sampling": {"max_tokens": 100}});
        ApprovedChat::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_system_message_and_the_last_exchange_stay() {
        let chat = chat(&[1, 3, 6]);
        let texts = |chat: ApprovedChat| {
            let texts = chat
                .messages
                .into_iter()
                .filter_map(|message| message.content);
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(without(&chat, 1)), "S 2 2b two 3");
        assert_eq!(texts(without(&chat, 2)), "S 3");
    }

    #[test]
    fn more_is_left_out_in_steps() {
        let limits = Limits::new(&chat(&[1, 3, 6]), NonZeroU32::new(1000).unwrap());
        assert_eq!((limits.room, limits.step), (900, 250));
        assert_eq!(limits.target(900), None);
        assert_eq!(limits.target(901), Some(651));
        assert_eq!(limits.target(1150), Some(900));
        assert_eq!(limits.target(1151), Some(651));
        assert_eq!(limits.target(100_000), Some(750));
    }

    #[test]
    fn exchanges_must_be_in_order_and_there() {
        for wrong in [&[3, 1][..], &[1, 1], &[1, 7]] {
            let mut body = serde_json::to_value(chat(&[])).unwrap();
            body["exchanges"] = json!(wrong);
            assert!(ApprovedChat::read(body.to_string().as_bytes()).is_err());
        }
    }
}
