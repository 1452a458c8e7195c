"""The values that llama.cpp and other clients have for "no limit", "any" and "all"."""

import json

import pytest

from harness.filter.deciding import Deciding, calling, error_of

LIMIT = 64


@pytest.fixture
def system(policy_file):
    return Deciding(policy_file(f"answer_tokens: {LIMIT}\n"))


def approved(system):
    [stored] = system.store.chat.values()
    return json.loads(stored.body)


@pytest.mark.parametrize("way", ["gateway", "direct"])
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"max_tokens": -1}, {"max_tokens": LIMIT}),
        ({"max_tokens": -2}, {"max_tokens": LIMIT}),
        ({"max_tokens": 0}, {"max_tokens": LIMIT}),
        ({"max_tokens": 2**31 - 1}, {"max_tokens": LIMIT}),
        ({"max_tokens": 2**63 - 1}, {"max_tokens": LIMIT}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"seed": -1}, {"max_tokens": LIMIT}),
        ({"seed": 2**63 - 1}, {"max_tokens": LIMIT, "seed": 2**32 - 1}),
        ({"seed": -(2**63)}, {"max_tokens": LIMIT, "seed": 0}),
        ({"seed": 2**32 + 7}, {"max_tokens": LIMIT, "seed": 7}),
        ({"top_k": -1}, {"max_tokens": LIMIT, "top_k": 0}),
        ({"top_k": 0}, {"max_tokens": LIMIT, "top_k": 0}),
    ],
)
async def test_a_value_is_taken_as_it_is_meant(system, way, given, sent):
    """The policy's bound on an answer holds all the same."""
    await getattr(system, way)({"prompt": "x", **given})
    assert approved(system)["sampling"] == sent


@pytest.mark.parametrize(
    ("name", "value"), [("max_tokens", -3), ("seed", 2**63), ("top_k", -2), ("seed", 0.5)]
)
async def test_another_value_is_an_error(system, name, value):
    """It names the field."""
    assert error_of(await system.gateway({"prompt": "x", name: value})).param == name


@pytest.mark.parametrize("call_id", ["", "x" * 5000, "a|b/c+d=e", "call_é\u2028", "functions.weather:0"])
async def test_a_calls_id_is_opaque(system, call_id):
    """The model reads one of the filter's own."""
    answer = {"role": "tool", "tool_call_id": call_id, "content": "Rain."}
    await system.gateway({"messages": [calling("weather", "{}", call_id), answer]})
    call, result = approved(system)["messages"]
    assert call["tool_calls"][0]["id"] == result["tool_call_id"] == "call00000"


@pytest.mark.parametrize("message", [{}, {"content": None}, {"content": None, "tool_calls": []}])
async def test_an_assistants_message_without_content_and_calls_is_taken(system, message):
    """It is handed on as an empty one: llama.cpp takes none without either."""
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", **message}]
    await system.gateway({"messages": messages, "prompt": "y"})
    assert approved(system)["messages"][1]["content"] == ""


async def test_options_of_a_thinking_model_are_handed_on(system):
    """And looked at: the template may write them."""
    options = {"enable_thinking": False, "thinking_budget": 5}
    await system.gateway({"prompt": "x", "reasoning_effort": "low", "chat_template_kwargs": options})
    assert approved(system)["output"] == {"reasoning_effort": "low", "chat_template_kwargs": options}


async def test_an_option_is_scanned(policy_file):
    """With its place."""
    system = Deciding(policy_file("keywords: [{id: rude, category: rude, phrases: [darn]}]\n"))
    [refused] = await system.gateway({"prompt": "x", "chat_template_kwargs": {"mood": "darn"}})
    assert json.loads(refused.body)["refusal"]["place"] == "chat_template_kwargs"


@pytest.mark.parametrize("name", ["messages", "tools", "system_prompt", "add_generation_prompt", "bos_token"])
async def test_the_conversation_is_no_option(system, name):
    """llama.cpp would take it from there, unchecked."""
    error = error_of(await system.gateway({"prompt": "x", "chat_template_kwargs": {name: "x"}}))
    assert error.code == "invalid_request"
    assert error.param.startswith("chat_template_kwargs")
