"""Text completions, held against openai-python's own type: pure."""

import json
from uuid import UUID

import pytest
from openai.types import Completion

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ChatRequest, Refusal, Reply, StartedEvent, TokenEvent, Usage
from stile_gateway.dialects.completions.answer import TextChunks, TextShape
from stile_gateway.dialects.completions.request import read_text_completion
from stile_gateway.errors import InternalError, InvalidRequestError, UnsupportedParameterError
from stile_gateway.requests.events import ReplyEvent

ID = UUID("01920000-0000-7000-8000-000000000001")
USAGE = Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
REPLY = Reply(response="blue sky", id=ID, model="smol", finish_reason="stop", usage=USAGE)


def call(**fields):
    return read_text_completion(json.dumps({"model": "asked", "prompt": "The sky is", **fields}).encode())


def test_the_prompt_is_a_message_of_the_user():
    """A list of one text is that text; one stop is a list of one."""
    made = call(prompt=["The sky is"], stop="\n", max_tokens=5, temperature=0, user="u", logprobs=None)
    assert json.loads(made.body) == {
        "model": "asked",
        "prompt": "The sky is",
        "stop": ["\n"],
        "max_tokens": 5,
        "temperature": 0,
    }
    [message] = ChatRequest.model_validate_json(made.body).conversation()
    assert (message.role, message.content) == ("user", "The sky is")
    assert made.prompt == "The sky is"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"suffix": "!"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"logprobs": 0}, "logprobs"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"grammar": "root ::= x"}, "grammar"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
    ],
)
def test_what_cannot_be_done_is_an_error_that_names_it(fields, param):
    """None is dropped without a word."""
    with pytest.raises(UnsupportedParameterError) as raised:
        call(**fields)
    assert raised.value.param == param


@pytest.mark.parametrize("fields", [{"prompt": ""}, {"prompt": []}, {"prompt": None}, {"prompt": {}}])
def test_what_is_no_prompt(fields):
    """The field is named."""
    with pytest.raises(InvalidRequestError) as raised:
        call(**fields)
    assert raised.value.param == "prompt"


def test_an_answer_whole_and_streamed():
    """Both say the same; the counts come last."""
    whole = Completion.model_validate(TextShape(ID, call()).whole(REPLY))
    [choice] = whole.choices
    assert (whole.id, whole.object, whole.model) == (f"cmpl-{ID}", "text_completion", "smol")
    assert (choice.text, choice.finish_reason, whole.usage.total_tokens) == ("blue sky", "stop", 5)
    said = [
        ReplyEvent(StartedEvent(id=ID, model="smol"), 1),
        ReplyEvent(TokenEvent(text="blue"), 1),
        ReplyEvent(REPLY, 1),
    ]
    writer = TextChunks(ID, call())
    raw = b"".join(writer.event(one) for one in said).decode()
    assert raw.endswith("data: [DONE]\n\n")
    chunks = [json.loads(block.removeprefix("data: ")) for block in raw.split("\n\n")[:-2]]
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]) == "blue sky"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    counted = TextChunks(ID, call(stream_options={"include_usage": True})).event(ReplyEvent(REPLY)).decode()
    last = json.loads(counted.split("\n\n")[-3].removeprefix("data: "))
    assert (last["choices"], last["usage"]) == ([], USAGE.model_dump())


def test_a_refusal_and_an_error():
    """A refusal was filtered; an error ends the stream."""
    refused = REPLY.model_copy(
        update={
            "refused": True,
            "finish_reason": "content_filter",
            "refusal": Refusal(category="profanity", place="prompt"),
        }
    )
    whole = TextShape(ID, call()).whole(refused)
    assert whole["choices"][0]["finish_reason"] == "content_filter"
    assert whole["stile"]["category"] == "profanity"
    error = TextChunks(ID, call()).error(InternalError("So it is."))
    assert json.loads(error.decode().removeprefix("data: "))["error"]["code"] == ErrorCode.INTERNAL
