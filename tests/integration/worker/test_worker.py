"""The built consumer under the project's own permissions, before a stand-in model."""

import asyncio
import json
import re
import signal
import subprocess

import httpx
import pytest

from harness.models.standin import Standin
from harness.parts.consumer import Consumer, Requester, hear_all
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_contracts import headers, subjects
from stile_contracts.messages import ErrorReply, Heartbeat, Reply


@pytest.fixture
async def model(tmp_path):
    """A stand-in that writes two seconds long."""
    standin = await Standin(tmp_path, tokens=20, token_seconds=0.1).start()
    yield standin
    standin.stop()


@pytest.fixture
async def consumer(tmp_path, bus, model):
    """The consumer, ready."""
    consumer = await Consumer(tmp_path, bus, model.url).start()
    yield consumer
    consumer.process.stop()


@pytest.fixture
async def requester(bus):
    """Who approves requests and hears the answers."""
    return await Requester(bus).start()


async def test_the_answer_comes_with_the_permissions_it_has(consumer, requester):
    """Pull, progress, store, events, reply, acknowledge: each is allowed, and the body is the contract's."""
    chat_id, hearing = await requester.approve("Why?", events="token")
    heard = await hear_all(hearing)
    pieces = len(heard) - 2  # 20 tokens, fewer where the machine made two of them come together
    assert [event for event, *_ in heard] == ["started", *["token"] * pieces, "done"]
    assert [seq for _, _, seq, _ in heard] == list(range(len(heard)))
    reply = Reply.model_validate_json(heard[-1][3])
    assert (reply.id, reply.model, reply.finish_reason) == (chat_id, "standin", "stop")
    assert reply.response == "".join(json.loads(body)["text"] for _, _, _, body in heard[1:-1])
    end = await hearing.next_msg(timeout=5)
    assert (end.data, end.headers) == (b"", None)
    assert await requester.stored(chat_id) == heard[-1][3]
    assert "Permissions Violation" not in consumer.process.output()


async def test_a_consumer_killed_in_mid_answer_loses_nothing(consumer, requester, model):
    """Kill -9 while it writes, then a start: the second attempt writes the same words, and ends."""
    _, hearing = await requester.approve("still there?", events="state")
    await until(lambda: _writing(model), what="the model writes")
    consumer.process.kill()
    await consumer.start()
    heard = await hear_all(hearing)
    assert [(event, attempt, seq) for event, attempt, seq, _ in heard] == [
        ("started", 1, 0),
        ("started", 2, 0),
        ("done", 2, 1),
    ]
    log = await model.log()
    assert [generation["outcome"] for generation in log["generations"]] == ["cancelled", "done"]
    assert len({generation["seed"] for generation in log["generations"]}) == 1
    assert log["most_open"] == 1


async def test_sigterm_finishes_the_job_in_hand(consumer, requester, model):
    """SIGTERM in mid-answer: the answer is finished, nothing more is taken, the exit code is 0."""
    _, first = await requester.approve("first")
    _, second = await requester.approve("second")
    await until(lambda: _writing(model), what="the model writes")
    consumer.process.signal(signal.SIGTERM)
    assert (await hear_all(first))[-1][0] == "done"
    await until(lambda: consumer.process.exit_code is not None, what="it ends")
    assert consumer.process.exit_code == 0
    assert await model.prompts() == ["first"]
    await consumer.start()
    assert (await hear_all(second))[-1][0] == "done"


async def test_a_consumer_that_was_paused_past_its_lease_answers_nothing(
    tmp_path, bus, consumer, requester, model
):
    """Its job went to another meanwhile: when it wakes there is one outcome, and nobody is told another."""
    (other := tmp_path / "other").mkdir()
    chat_id, hearing = await requester.approve("Hi", events="state")
    await until(lambda: _writing(model), what="the model writes")
    consumer.process.signal(signal.SIGSTOP)
    try:
        second = await Consumer(other, bus, model.url).start()
        heard = await hear_all(hearing)
    finally:
        consumer.process.signal(signal.SIGCONT)
    assert [(event, attempt) for event, attempt, *_ in heard] == [("started", 1), ("started", 2), ("done", 2)]
    await until(lambda: "outcome=" in consumer.process.output(), what="it woke and ended its job")
    assert await requester.stored(chat_id) == heard[-1][3]
    while hearing.pending_msgs:
        late = await hearing.next_msg(timeout=5)
        assert late.data == heard[-1][3]
    assert second.process.stop() == 0


@pytest.mark.usefixtures("consumer")
async def test_errors_are_the_contracts(requester, model):
    """An error's body and headers are what Python reads."""
    async with httpx.AsyncClient() as client:
        await client.post(f"{model.url}/standin/faults", json={"status": 500, "times": 1})
    chat_id, hearing = await requester.approve("Why?")
    message = await hearing.next_msg(timeout=30)
    assert message.headers[headers.NATS_ERROR] == "model_failed"
    assert message.headers[headers.NATS_ERROR_CODE] == "502"
    error = ErrorReply.model_validate_json(message.data).error
    assert (error.id, error.final) == (chat_id, True)


@pytest.mark.usefixtures("consumer")
async def test_heartbeats_are_the_contracts(bus):
    """What it says of itself every two seconds is what the gateway and the filter read."""
    gateway = await bus.connect("gateway")
    beats = await gateway.subscribe(subjects.CONSUMER_HEARTBEAT)
    beat = Heartbeat.model_validate_json((await beats.next_msg(timeout=10)).data)
    assert (beat.part, beat.ready, beat.model) == ("consumer", True, "standin")


async def test_its_heartbeat_tells_the_models_speed(bus, consumer, requester):
    """After an answer the speeds that the model measured are told; the estimates are made of them."""
    gateway = await bus.connect("gateway")
    beats = await gateway.subscribe(subjects.CONSUMER_HEARTBEAT)
    _, hearing = await requester.approve("How fast?", max_tokens=3)
    await hear_all(hearing)

    async def speeds():
        beat = Heartbeat.model_validate_json((await beats.next_msg(timeout=10)).data)
        return [speed for speed in (beat.prompt_per_second, beat.predicted_per_second) if speed]

    prompt, predicted = await until(speeds, what="the speeds are told")
    assert prompt > 0
    assert 0 < predicted <= 10  # of a stand-in that waits 0.1 s before each token
    assert consumer.process.exit_code is None


async def test_the_log_has_no_prompt_and_no_secret(bus, consumer, requester):
    """What people ask, and what the service logs in with, stand in no log line."""
    _, hearing = await requester.approve("a very private question")
    await hear_all(hearing)
    seed = (bus.seeds / "consumer.nk").read_text().strip()
    # The line about a request is written after its answer was sent.
    await until(lambda: "chat_id" in consumer.process.output(), what="the request is in the log")
    output = consumer.process.output()
    assert "private" not in output
    assert seed not in output


async def test_an_empty_variable_is_unset(bus, model, tmp_path):
    """Compose and env files hand variables on that have no value; the consumer starts with its defaults."""
    described = (await _help()).splitlines()
    variables = {name for line in described for name in re.findall(r"<?(STILE_[A-Z_]+)=?", line)}
    needed = {*bus.environment("consumer"), "STILE_LLAMA_URL", "STILE_CONSUMER_PORT"}
    empty = dict.fromkeys(variables - needed, "")
    assert {
        "STILE_LLAMA_KEY_FILE",
        "STILE_NATS_TLS_CA",
        "STILE_LOG_LEVEL",
        "STILE_CONCURRENCY",
    } <= empty.keys()
    consumer = await Consumer(tmp_path, bus, model.url, **empty).start()
    consumer.process.stop()


async def _help():
    child = await asyncio.create_subprocess_exec(BIN / "stile-consumer", "--help", stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(child.communicate(), 60)
    return out.decode()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STILE_LLAMA_URL", "https://far.away"),
        ("STILE_CONSUMER_PORT", "70000"),
        ("STILE_NATS_NKEY_FILE", "/nowhere"),
        ("STILE_CONCURRENCY", "0"),
    ],
)
async def test_a_bad_setting_stops_the_start_by_its_name(tmp_path, variable, value):
    """A wrong value ends the process at once, and the message names the variable."""
    with Process(BIN / "stile-consumer", log=tmp_path / "log", env={variable: value}) as process:
        await until(lambda: process.exit_code is not None, what="it ends")
        assert process.exit_code == 1
        (line,) = process.output().splitlines()
        assert variable in line


async def _writing(model):
    generations = (await model.log())["generations"]
    return generations and generations[-1]["tokens"] > 0
