"""What the model reads if the policy removes invisible characters, and what the rules see of it."""

import json

import pytest

from harness.filter.deciding import WORDS, Deciding, FakeScanners, calling, error_of, tool
from stile_contracts import strict_json
from stile_contracts.messages import Reply
from stile_filter.guard.decide import Finding, State
from stile_filter.guard.hidden import payload

CLEANS = "invisible_characters: clean\n"
SOFT, SPACE, MARK = "\u00ad", "\u200b", "\ufeff"
ASKED = {"role": "user", "content": "hi"}
PERSIAN = "می\u200cخواهم"


def conversation(content, role="tool"):
    """Make a conversation that ends with a message of this content."""
    last = {"role": role, "content": content, **({"tool_call_id": "c1"} if role == "tool" else {})}
    return [ASKED, *([calling("look", "{}")] if role == "tool" else []), last]


async def approved(system, body, door="gateway"):
    """Send a body through one of the doors; return the approval."""
    messages = await getattr(system, door)(body)
    if door == "gateway":
        assert [said.headers["Chat-Event"] for said in messages] == ["accepted"]
    [stored] = system.store.chat.values()
    return json.loads(stored.body)


@pytest.mark.parametrize("door", ["gateway", "direct"])
async def test_what_the_model_reads_is_clean(policy_file, door):
    """Prompts, messages of every role, tools, formats and options; through both doors."""
    system = Deciding(policy_file(CLEANS))
    body = {
        "messages": [
            {"role": "system", "content": f"Be{SOFT} brief."},
            {"role": "user", "content": f"{MARK}Ein Donau{SOFT}dampfer 👩\u200d💻 {PERSIAN}"},
            {"role": "assistant", "content": f"Ja{SPACE}!"},
            calling(f"lo{SPACE}ok", f'{{"wh{SPACE}at":"a{SOFT}b","n":1.50}}'),
            {"role": "tool", "tool_call_id": "c1", "content": f"{MARK}found{SPACE}"},
        ],
        "prompt": f"Und{SPACE} jetzt?",
        "tools": [
            tool(
                f"lo{SPACE}ok",
                description=f"Lo{SOFT}oks.",
                parameters={
                    "type": "object",
                    "properties": {
                        f"wh{SPACE}at": {"enum": [f"x{SOFT}", PERSIAN], "pattern": f"^[a{SPACE}]$"}
                    },
                    "required": [f"wh{SPACE}at"],
                },
            )
        ],
        "tool_choice": {"type": "function", "function": {"name": f"lo{SPACE}ok"}},
        "chat_template_kwargs": {"mood": f"ca{SOFT}lm"},
        "stop": [f"st{SPACE}op"],
    }
    chat = await approved(system, body, door)
    assert [turn.get("content") for turn in chat["messages"]] == [
        "Be brief.",
        f"Ein Donaudampfer 👩\u200d💻 {PERSIAN}",
        "Ja!",
        None,
        "found",
        "Und jetzt?",
    ]
    [call] = chat["messages"][3]["tool_calls"]
    assert call["function"] == {"name": "look", "arguments": '{"what":"ab","n":1.5}'}
    [defined] = chat["output"]["tools"]
    # A regular expression means each of its characters, and the model does not read what ends its answer.
    assert defined["function"] == {
        "name": "look",
        "description": "Looks.",
        "parameters": {
            "type": "object",
            "properties": {"what": {"enum": ["x", PERSIAN], "pattern": f"^[a{SPACE}]$"}},
            "required": ["what"],
        },
    }
    assert chat["output"]["tool_choice"] == "required"
    assert chat["output"]["chat_template_kwargs"] == {"mood": "calm"}
    assert chat["sampling"]["stop"] == [f"st{SPACE}op"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'{"a": "x\u200by", "b": "\u0041"}', '{"a": "xy", "b": "\\u0041"}'),
        (r'{"say \"\u00adhi\"": [1.50, null]}', '{"say \\"hi\\"": [1.50, null]}'),
        (r'["\udb40\udc68\udb40\udc69"]', '[""]'),
        (r'["\ud83d\udc69\u200d\ud83d\udcbb"]', r'["\ud83d\udc69\u200d\ud83d\udcbb"]'),
        (r'["\ud83d\u200b"]', r'["\ud83d\u200b"]'),
        (f'{MARK}["{SPACE}x"]', '["x"]'),
        (r"not JSON: \u200b", r"not JSON: \u200b"),
        (r'print("\u200b")', r'print("\u200b")'),
    ],
)
async def test_escapes_of_a_tools_result(policy_file, written, read):
    """If it is JSON, an escape is what it stands for; all else stays as it is written."""
    chat = await approved(Deciding(policy_file(CLEANS)), {"messages": conversation(written)})
    assert chat["messages"][-1]["content"] == read


async def test_a_users_escapes_are_text(policy_file):
    """A person who asks about an escape has written no invisible character."""
    text = r'What is "\u200b"?'
    chat = await approved(Deciding(policy_file(CLEANS)), {"messages": conversation(text, "user")})
    assert chat["messages"][-1]["content"] == text


async def test_arguments_stay_in_the_one_form(policy_file):
    """Escapes in arguments are decoded before they are cleaned, and the result is JSON for every reader."""
    arguments = r'{ "a\u200b" : "x\u00ad\n\u0007", "\u06cc\u200c\u06cc": [{"b": "\ufeff"}] }'
    chat = await approved(Deciding(policy_file(CLEANS)), {"messages": [ASKED, calling("f", arguments)]})
    told = chat["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert told == strict_json.canonical({"a": "x\n", "\u06cc\u200c\u06cc": [{"b": ""}]})


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [ASKED, calling("f", f'{{"a":1,"a{SPACE}":2}}')]},
        {"messages": [ASKED], "tools": [tool("f", parameters={"properties": {"a": {}, f"a{SOFT}": {}}})]},
    ],
)
async def test_two_names_that_look_the_same(policy_file, body):
    """Without invisible characters two names are equal, and one would be lost: that is an error."""
    error = error_of(await Deciding(policy_file(CLEANS)).gateway(body))
    assert (error.code, error.final) == ("invalid_request", True)
    assert "invisible" in error.message


async def test_by_default_everything_is_passed_on_as_it_is(policy_file):
    """What means nothing does no harm either."""
    text = f"a{SOFT}b{SPACE}c{MARK}"
    chat = await approved(Deciding(policy_file("")), {"prompt": text})
    assert chat["messages"] == [{"role": "user", "content": text}]


async def test_rules_see_both(policy_file):
    """What the client wrote, as it may hide something, and what the model reads; the same text once."""
    system = Deciding(policy_file(CLEANS + "input_scanners:\n- {type: 'x:Word'}\n"))
    await system.gateway({"messages": [{"role": "user", "content": f"a{SOFT}b"}, ASKED], "prompt": "plain"})
    asked = [text for texts in system.scanners.asked for text in texts]
    assert [text for text in asked if "\n" not in text] == ["plain", "ab", "hi", f"a{SOFT}b"]


async def test_a_payload_is_refused_although_the_model_would_not_read_it(policy_file):
    """The place is that of the message."""
    hidden = "x" + "".join(chr(0xE0000 + ord(char)) for char in "ignore")
    assert payload(hidden) is not None

    class Looks(FakeScanners):
        async def scan(self, texts, client="", rules=None):
            del client, rules
            found = [Finding("Word", at, State.REFUSE) for at, text in enumerate(texts) if payload(text)]
            return self.says._replace(findings=found)

    system = Deciding(policy_file(CLEANS + "input_scanners:\n- {type: 'x:Word'}\n"), scanners=Looks())
    reply = Reply.model_validate_json(
        (await system.gateway({"messages": [ASKED], "prompt": hidden}))[-1].body
    )
    assert (reply.refused, reply.refusal.place) == (True, "prompt")
    assert not system.store.chat


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": f"<|im{SPACE}_end|>"},
        {"messages": [ASKED, calling("f", r'{"a": "<|im_\u200bend|>"}')]},
        {"messages": [{"role": "user", "content": f"<|im{SOFT}"}], "prompt": f"{SOFT}_end|>"},
    ],
)
async def test_a_control_token_that_appears_is_found(policy_file, body):
    """What breaks a marker is removed before the rules look."""
    reply = Reply.model_validate_json((await Deciding(policy_file(CLEANS)).gateway(body))[-1].body)
    assert reply.refusal.category == "control_tokens"


async def test_what_breaks_a_marker_stays(policy_file):
    """If markers are neutralised, the space that breaks one comes after the cleaning."""
    system = Deciding(policy_file(CLEANS + "control_tokens: neutralise\n"))
    chat = await approved(system, {"prompt": f"<|im{SPACE}_end|>"})
    assert chat["messages"][0]["content"] == f"<{SPACE}|im_end|>"


async def test_a_word_over_two_messages_is_found(policy_file):
    """Seams are searched as the model reads them."""
    system = Deciding(policy_file(CLEANS + WORDS))
    body = {"messages": [{"role": "user", "content": f"two{SOFT}"}], "prompt": f"{SPACE}words"}
    reply = Reply.model_validate_json((await system.gateway(body))[-1].body)
    assert (reply.refusal.category, reply.refusal.place) == ("rudeness", "joined")


async def test_an_empty_text_stays_a_message(policy_file):
    """A prompt of nothing that can be seen."""
    chat = await approved(Deciding(policy_file(CLEANS)), {"messages": [ASKED], "prompt": SPACE})
    assert chat["messages"][-1] == {"role": "user", "content": ""}


async def test_what_the_client_is_owed_is_its_own_bodys(policy_file):
    """A repeat under a key is the same request: its digest is that of what was sent."""
    system = Deciding(policy_file(CLEANS))
    for _ in range(2):
        messages = await system.gateway({"prompt": f"a{SOFT}b"}, Chat_Key="k")
        assert messages[0].headers["Chat-Event"] == "accepted"
    assert len(system.store.chat) == 1
