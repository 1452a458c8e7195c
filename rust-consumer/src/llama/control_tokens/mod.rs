//! Control tokens: text that the model takes for the structure of the conversation. The model's own
//! tokenizer is asked.

mod table;
mod texts;

use super::Llama;
use crate::contract::messages::ApprovedChat;
use crate::error::{JobError, ModelError};
use texts::Text;

pub use texts::Location;

/// What ends a message in the known families. A tokenizer reads it in the same way with and without
/// special tokens only if its server does not know the difference, or the model has none of these.
const KNOWN: &str = "<|endoftext|> <|im_end|> <|eot_id|> <|eot|> <|end|> <|return|> <|end_of_text|> <|eom_id|> \
    <|END_OF_TURN_TOKEN|> <|user|> <|tool_call_end|> </s> <eos> <end_of_turn> <turn|> <EOS> <EOT> [EOS] [SEP] [EOT] \
    [|endofturn|] [e~[ <SPECIAL_12> <extra_id_1> <reserved_107> <\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>";

/// Asks the model's tokenizer whether `chat` holds a control token. A server that cannot be asked
/// is not needed for a marker of the table.
///
/// # Errors
/// [`JobError::ControlToken`]: it does; [`JobError::Model`]: nobody answers, and nothing is known.
pub async fn check(llama: &Llama, chat: &ApprovedChat) -> Result<(), JobError> {
    let texts = texts::of(chat);
    let joined: String = texts.iter().map(|text| text.text.as_ref()).collect();
    let Some(doubtful) = doubtful(&joined) else {
        return Ok(());
    };
    let tokenizer = Tokenizer {
        llama,
        model: chat.model.as_deref(),
    };
    let asked = tokio::try_join!(
        tokenizer.has_special(&doubtful),
        tokenizer.has_special(KNOWN)
    )?;
    let location = match asked {
        (Some(true), _) => Some(tokenizer.locate(&texts).await?),
        (Some(false), Some(true)) => None,
        _ => table::has_marker(&joined).then(|| {
            let found = texts.iter().find(|text| table::has_marker(&text.text));
            found.map_or(Location::Joined, |text| text.location)
        }),
    };
    location.map_or(Ok(()), |location| Err(JobError::ControlToken(location)))
}

struct Tokenizer<'a> {
    llama: &'a Llama,
    model: Option<&'a str>,
}

impl Tokenizer<'_> {
    /// Whether special tokens are in `text`; `None` if the server cannot be asked.
    async fn has_special(&self, text: &str) -> Result<Option<bool>, ModelError> {
        let (with, without) = tokio::try_join!(
            self.llama.tokenize(text, self.model, true),
            self.llama.tokenize(text, self.model, false)
        )?;
        Ok(with.zip(without).map(|(with, without)| with != without))
    }

    async fn locate(&self, texts: &[Text<'_>]) -> Result<Location, ModelError> {
        for text in texts {
            if let Some(doubtful) = doubtful(&text.text)
                && self.has_special(&doubtful).await? == Some(true)
            {
                return Ok(text.location);
            }
        }
        Ok(Location::Joined)
    }
}

/// The lines of `text` that may hold a control token; `None` if there are none.
///
/// No control token has a line break, or is made of letters, digits, spaces and a sentence's
/// punctuation alone.
fn doubtful(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_alphanumeric() || " \t\r.,;:!?'\"()-".contains(c);
    let lines: Vec<_> = text
        .split('\n')
        .filter(|line| !line.chars().all(is_plain))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prose is not asked about; a line with any other character is, whole.
    #[test]
    fn what_may_hold_a_token_is_asked_about() {
        assert_eq!(
            doubtful("Why (really) is it so?\nIt's 3.5: \"yes\" - no!\n\n Größe, 大きい"),
            None
        );
        assert_eq!(
            doubtful("Why?\nx < y\nNo.\n[a]").as_deref(),
            Some("x < y\n[a]")
        );
        assert_eq!(doubtful("\u{ff5c}").as_deref(), Some("\u{ff5c}"));
        for marker in KNOWN.split(' ') {
            assert_eq!(doubtful(marker).as_deref(), Some(marker));
        }
    }
}
