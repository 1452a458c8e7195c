"""The markers of the known chat templates, and where a text holds one.

llama.cpp reads a whole rendered prompt with its special tokens on, so ``<|im_end|>`` in a message ends that
message. Tokens match literally, so markers are compared as they are written, in case and form.
The consumer holds the same table; ``contracts/fixtures/v1/control_tokens.json`` compares them.
"""

import re
from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

MARKERS = (
    # Llama 2, Mistral
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    *("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    *("[TOOL_CONTENT]", "[MODEL_SETTINGS]", "[/MODEL_SETTINGS]", "[BEGIN_AUDIO]", "[IMG_BREAK]", "[IMG_END]"),
    # Gemma
    *("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"),
    *("<start_of_audio>", "<end_of_audio>", "<audio_soft_token>"),
    *("<start_function_call>", "<end_function_call>", "<start_function_response>", "<end_function_response>"),
    *("<start_function_declaration>", "<end_function_declaration>", "[@BOS@]"),
    # Qwen, Hermes
    *("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    # DeepSeek, Hunyuan
    *("<｜", "｜>", "｜DSML｜"),  # noqa: RUF001 -- fullwidth bars, as they write them
    # MiniMax
    *("]~b]", "]~!b[", "[e~[", "]!p~[", "]!d~[", "<minimax:tool_call>", "</minimax:tool_call>"),
    *("<beginning_of_sentence>", "<end_of_sentence>"),
    # Exaone; Kimi; GLM; Command-R
    *("[|user|]", "[|assistant|]", "[|system|]", "[|tool|]", "[|endofturn|]"),
    *("[start_header_id]", "[end_header_id]"),
    *("[gMASK]", "[sMASK]", "<sop>", "<eop>"),
    *("<BOS_TOKEN>", "<EOS_TOKEN>", "<EOP_TOKEN>"),
    # Baichuan; InternLM; Seed; MiniCPM; Ling
    *("<B_SYS>", "<B_USYS>", "<B_FUNC>", "<B_CODE>", "<C_Q>", "<C_A>"),
    *("<eoh>", "<eoa>", "<eosys>"),
    *("<seed:", "</seed:"),
    "<用户>",
    *("<role>SYSTEM</role>", "<role>HUMAN</role>", "<role>ASSISTANT</role>", "<role>OBSERVATION</role>"),
    # Models that complete code; llama.cpp's own place for an image
    *("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"),
    *("<__media__>", "<__image__>"),
)
"""What hardly any text holds otherwise. The shape ``<|word|>`` (ChatML, Qwen, Llama 3 and 4, Phi, Command-R,
gpt-oss, Granite, GLM, Kimi, Falcon, Yi, OLMo, Zephyr, Jamba and more) is matched as such."""

ORDINARY = (
    *("<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<sep>", "<cls>"),
    *("<BOS>", "<EOS>", "<PAD>", "<UNK>", "<SEP>", "<CLS>", "<MASK_TOKEN>"),
    *("[BOS]", "[EOS]", "[PAD]", "[UNK]", "[SEP]", "[CLS]", "[MASK]", "[EOT]", "[NL]"),
    *("<PRE>", "<SUF>", "<MID>", "<EOT>", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"),
    *("[ARGS]", "[CALL_ID]", "[IMG]", "[AUDIO]", "[TRANSCRIBE]", "[THINK]", "[/THINK]"),
    *("<filename>", "<repo_name>", "<reponame>", "<file_sep>", "<gh_stars>"),
    *("<issue_start>", "<issue_comment>", "<issue_closed>"),
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<jupyter_script>"),
    *("<empty_output>", "<commit_before>", "<commit_msg>", "<commit_after>"),
    *(">>TITLE<<", ">>ABSTRACT<<", ">>INTRODUCTION<<", ">>SUMMARY<<", ">>COMMENT<<", ">>ANSWER<<"),
    *(">>QUESTION<<", ">>DOMAIN<<", ">>PREFIX<<", ">>SUFFIX<<", ">>MIDDLE<<"),
    *("]<]", "[>[", "<AI>", "<escape>", "<image>", "<video>", "<audio>", "<tool_calls>", "</tool_calls>"),
)
"""A token of some models, and HTML or placeholders in many texts: the consumer asks the model."""

NUMBERED = (
    *(("<unused", ">"), ("[unused", "]"), ("<reserved_", ">"), ("<SPECIAL_", ">"), ("<extra_id_", ">")),
    *(("[UNUSED_TOKEN_", "]"), ("<TOKENS_UNUSED_", ">"), ("[control_", "]"), ("<unused_token_", ">")),
)
"""What stands before and after a number; some models use the reserved ones for their roles."""

_NUMBERS = "|".join(f"{re.escape(before)}[0-9]{{1,6}}{re.escape(after)}" for before, after in NUMBERED)
# Gemma 4 opens with `<|word>` and closes with `<word|>`.
_SHAPES = r"<(?:\|(?:[^<>| \t\r\n]{1,64}\|>|[A-Za-z0-9_]{1,64}>)|[A-Za-z0-9_]{1,64}\|>)"
_SHAPE = re.compile(_SHAPES)
_NUMBER = re.compile(_NUMBERS)
# A look ahead, so that of two that overlap both are found.
_SHAPE_START = re.compile(f"(?={_SHAPES})")
_NUMBER_START = re.compile(f"(?={_NUMBERS})")


def _automaton(patterns: Iterable[str]) -> AhoCorasick:
    return AhoCorasick(list(patterns), matchkind=MatchKind.Standard, implementation=Implementation.DFA)


_MARKERS = _automaton(MARKERS)
_ALL = _automaton([*MARKERS, *ORDINARY])
_BEFORE_NUMBERS = _automaton(before for before, _ in NUMBERED)


def has_marker(text: str) -> bool:
    """Tell whether ``text`` holds a marker that has no other use: linear time."""
    return bool(
        _found(_MARKERS, text)
        or ("|" in text and _SHAPE.search(text))
        or (_found(_BEFORE_NUMBERS, text) and _NUMBER.search(text))
    )


def starts(text: str) -> list[int]:
    """Return the index of each marker in ``text``, those of ``ORDINARY`` included: linear time."""
    found = {start for _, start, _ in _ALL.find_matches_as_indexes(text, overlapping=True)}
    if "|" in text:
        found |= {match.start() for match in _SHAPE_START.finditer(text)}
    if _found(_BEFORE_NUMBERS, text):
        found |= {match.start() for match in _NUMBER_START.finditer(text)}
    return sorted(found)


def _found(automaton: AhoCorasick, text: str) -> bool:
    return next(iter(automaton.find_matches_as_indexes(text)), None) is not None
