//! The markers of the known chat templates, and whether a text holds one. For a model's server that
//! cannot be asked about its tokens.
//!
//! The filter holds the same table; `contracts/fixtures/v1/control_tokens.json` compares them.

const MAX_WORD_CHARS: usize = 64;
const MAX_DIGITS: usize = 6;

/// What is matched as it is written; the filter refuses the first part of it, and leaves the rest,
/// which is ordinary text for many models, to the consumer.
const LITERALS: [&str; 160] = [
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CONTENT]",
    "[MODEL_SETTINGS]",
    "[/MODEL_SETTINGS]",
    "[BEGIN_AUDIO]",
    "[IMG_BREAK]",
    "[IMG_END]",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
    "<start_of_audio>",
    "<end_of_audio>",
    "<audio_soft_token>",
    "<start_function_call>",
    "<end_function_call>",
    "<start_function_response>",
    "<end_function_response>",
    "<start_function_declaration>",
    "<end_function_declaration>",
    "[@BOS@]",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<｜",
    "｜>",
    "｜DSML｜",
    "]~b]",
    "]~!b[",
    "[e~[",
    "]!p~[",
    "]!d~[",
    "<minimax:tool_call>",
    "</minimax:tool_call>",
    "<beginning_of_sentence>",
    "<end_of_sentence>",
    "[|user|]",
    "[|assistant|]",
    "[|system|]",
    "[|tool|]",
    "[|endofturn|]",
    "[start_header_id]",
    "[end_header_id]",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    "<BOS_TOKEN>",
    "<EOS_TOKEN>",
    "<EOP_TOKEN>",
    "<B_SYS>",
    "<B_USYS>",
    "<B_FUNC>",
    "<B_CODE>",
    "<C_Q>",
    "<C_A>",
    "<eoh>",
    "<eoa>",
    "<eosys>",
    "<seed:",
    "</seed:",
    "<用户>",
    "<role>SYSTEM</role>",
    "<role>HUMAN</role>",
    "<role>ASSISTANT</role>",
    "<role>OBSERVATION</role>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<__media__>",
    "<__image__>",
    // Ordinary text for many models.
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<mask>",
    "<sep>",
    "<cls>",
    "<BOS>",
    "<EOS>",
    "<PAD>",
    "<UNK>",
    "<SEP>",
    "<CLS>",
    "<MASK_TOKEN>",
    "[BOS]",
    "[EOS]",
    "[PAD]",
    "[UNK]",
    "[SEP]",
    "[CLS]",
    "[MASK]",
    "[EOT]",
    "[NL]",
    "<PRE>",
    "<SUF>",
    "<MID>",
    "<EOT>",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[ARGS]",
    "[CALL_ID]",
    "[IMG]",
    "[AUDIO]",
    "[TRANSCRIBE]",
    "[THINK]",
    "[/THINK]",
    "<filename>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<jupyter_script>",
    "<empty_output>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    ">>TITLE<<",
    ">>ABSTRACT<<",
    ">>INTRODUCTION<<",
    ">>SUMMARY<<",
    ">>COMMENT<<",
    ">>ANSWER<<",
    ">>QUESTION<<",
    ">>DOMAIN<<",
    ">>PREFIX<<",
    ">>SUFFIX<<",
    ">>MIDDLE<<",
    "]<]",
    "[>[",
    "<AI>",
    "<escape>",
    "<image>",
    "<video>",
    "<audio>",
    "<tool_calls>",
    "</tool_calls>",
];

/// What stands before and after a number.
const NUMBERED: [(&str, &str); 9] = [
    ("<unused", ">"),
    ("[unused", "]"),
    ("<reserved_", ">"),
    ("<SPECIAL_", ">"),
    ("<extra_id_", ">"),
    ("[UNUSED_TOKEN_", "]"),
    ("<TOKENS_UNUSED_", ">"),
    ("[control_", "]"),
    ("<unused_token_", ">"),
];

/// Whether `text` holds a marker: linear time.
#[must_use]
pub fn has_marker(text: &str) -> bool {
    text.char_indices()
        .filter(|(_, c)| is_start(*c))
        .any(|(at, _)| text.get(at..).is_some_and(begins_with_marker))
}

fn is_start(c: char) -> bool {
    matches!(c, '<' | '>' | '[' | ']' | '\u{ff5c}')
}

fn begins_with_marker(text: &str) -> bool {
    LITERALS.iter().any(|marker| text.starts_with(marker))
        || NUMBERED.iter().any(|(before, after)| {
            text.strip_prefix(before)
                .and_then(|rest| behind(rest, MAX_DIGITS, |c| c.is_ascii_digit()))
                .is_some_and(|rest| rest.starts_with(after))
        })
        || begins_with_shape(text)
}

/// `<|anything|>`, and as Gemma 4 writes them `<|word>` and `<word|>`.
fn begins_with_shape(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_inner = |c: char| !matches!(c, '<' | '>' | '|' | ' ' | '\t' | '\r' | '\n');
    let ends = |text, is: &dyn Fn(char) -> bool, end| {
        behind(text, MAX_WORD_CHARS, is).is_some_and(|rest| rest.starts_with(end))
    };
    match text.strip_prefix("<|") {
        Some(rest) => ends(rest, &is_inner, "|>") || ends(rest, &is_word, ">"),
        None => text
            .strip_prefix('<')
            .is_some_and(|rest| ends(rest, &is_word, "|>")),
    }
}

/// What is behind 1 to `most` characters of a kind; `None` if there is none, or more.
fn behind(text: &str, most: usize, is: impl Fn(char) -> bool) -> Option<&str> {
    let (count, at) = text
        .char_indices()
        .take(most + 1)
        .enumerate()
        .find(|(_, (_, c))| !is(*c))
        .map(|(count, (at, _))| (count, at))?;
    if count == 0 { None } else { text.get(at..) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        markers: Vec<String>,
        ordinary: Vec<String>,
        numbered: Vec<(String, String)>,
        texts: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        text: String,
        found: Option<String>,
    }

    fn fixture() -> Fixture {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../contracts/fixtures/v1/control_tokens.json"
        );
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Python holds the same table, and each marker is found.
    #[test]
    fn the_table_is_the_fixtures() {
        let fixture = fixture();
        let known = fixture.markers.iter().chain(&fixture.ordinary);
        assert_eq!(LITERALS.to_vec(), known.collect::<Vec<_>>());
        let numbered = fixture.numbered.iter();
        let numbered: Vec<_> = numbered.map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(NUMBERED.to_vec(), numbered);
        for marker in LITERALS {
            assert!(has_marker(&format!("a {marker} b")), "{marker}");
        }
        for (before, after) in NUMBERED {
            assert!(has_marker(&format!("{before}7{after}")), "{before}");
        }
    }

    /// In each text of the fixture the same is found as by Python.
    #[test]
    fn the_texts_are_the_fixtures() {
        for Case { text, found } in fixture().texts {
            assert_eq!(has_marker(&text), found.is_some(), "{text:?}");
        }
    }
}
