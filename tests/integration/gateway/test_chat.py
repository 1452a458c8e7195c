"""The gateway as a process on a real nats-server; the test speaks in the filter's and consumer's place."""

import asyncio
import json
import signal

import httpx
import pytest

from harness.parts.gateway import Gateway, Responder, beat
from harness.processes.wait import until

PROMPT = {"prompt": "Why is the sky blue?"}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "3", "STILE_ANSWER_TIMEOUT": "20"}


@pytest.fixture
def respond(bus):
    """Have the requests answered by a function of (responder, request)."""

    async def start(answer=Responder.whole):
        return await Responder(await bus.connect("filter"), answer).start()

    return start


def error_of(answer):
    """The error in an answer, whose shape and headers are checked for every one."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "type", "param", "id", "final", "retry_after"}
    assert "Traceback" not in answer.text
    if answer.status_code in {429, 503}:
        assert int(answer.headers["retry-after"]) >= 1
    return error


@pytest.mark.parametrize("path", ["/chat", "/v1/chat"])
async def test_a_chat_is_answered(http, respond, path):
    """The original's request and its `response`; the body goes on as it came, with the gateway's headers."""
    responder = await respond()
    body = b'{"prompt":  "Why?",\n "refusal_message": "No.", "messages": [{"role": "user", "content": "Hi"}]}'
    answer = await http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    request = responder.requests[0]
    assert answer.json() == {"response": "blue", "id": request.headers["Chat-Id"]}
    assert request.data == body
    assert request.subject == "chat.request.gateway"
    assert request.headers["Chat-Client"] == "http-127-0-0-1"
    assert request.headers["Chat-Events"] == "state"


async def test_a_refusal_is_a_200(http, respond):
    """The refusal's text stands where the answer's would."""
    refusal = {"category": "profanity", "place": "messages[0]"}

    async def refuse(responder, request):
        await responder.finish(request, "No.", refused=True, refusal=refusal)

    await respond(refuse)
    answer = await http.post("/chat", json=PROMPT)
    assert answer.status_code == 200
    assert (answer.json()["response"], answer.json()["refused"]) == ("No.", True)


async def test_many_at_once_each_hear_their_own(http, respond):
    """Replies are told apart by their subject, in whatever order they come."""

    async def echo(responder, request):
        await responder.accept(request)
        await asyncio.sleep(0)
        await responder.finish(request, json.loads(request.data)["prompt"])

    await respond(echo)
    answers = await asyncio.gather(*(http.post("/chat", json={"prompt": f"q{n}"}) for n in range(50)))
    assert [answer.json()["response"] for answer in answers] == [f"q{n}" for n in range(50)]


@pytest.mark.parametrize(
    ("code", "status", "fields"),
    [
        ("queue_full", 503, {"retry_after": 12.2}),
        ("client_queue_full", 429, {"retry_after": 0.1}),
        ("filter_error", 503, {}),
        ("model_failed", 502, {"final": True}),
        ("model_unavailable", 502, {"final": True}),
        ("context_length_exceeded", 422, {"final": True}),
        ("deadline_exceeded", 504, {"final": True}),
        ("key_conflict", 422, {"final": True}),
    ],
)
async def test_an_error_said_on_the_bus_is_answered_as_it_is(http, respond, code, status, fields):
    """Its code, finality and sentence, the contract's status, Retry-After in whole seconds, at least one."""

    async def fail(responder, request):
        await responder.fail(request, code, **fields)

    responder = await respond(fail)
    answer = await http.post("/chat", json=PROMPT)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["message"]) == (status, code, "So it is.")
    assert error["final"] == fields.get("final", False)
    assert error["id"] == responder.requests[0].headers["Chat-Id"]
    if "retry_after" in fields:
        assert answer.headers["retry-after"] == {12.2: "13", 0.1: "1"}[fields["retry_after"]]


async def repeats(http):
    lines = (await http.get("/metrics")).text.splitlines()
    return float(next(line for line in lines if line.startswith("stile_gateway_repeats_total")).split()[-1])


async def test_no_filter_is_a_503_and_one_that_comes_is_found(http, respond):
    """Nobody listens: 503 after the time to be accepted; a filter that comes within it is found."""
    answer = await http.post("/chat", json=PROMPT)
    assert (answer.status_code, error_of(answer)["code"]) == (503, "no_filter")
    before = await repeats(http)
    asking = asyncio.create_task(http.post("/chat", json=PROMPT))

    async def asked_in_vain():
        return await repeats(http) > before

    await until(asked_in_vain, what="it is asked again, as nobody listened")
    responder = await respond()
    assert (await asking).json()["response"] == "blue"
    assert len(responder.requests) == 1


async def test_a_silent_filter_is_repeated_to_and_then_a_504(http, respond):
    """The same id each time; as it may be stored, it is no 503."""

    async def say_nothing(_responder, _request):
        pass

    responder = await respond(say_nothing)
    answer = await http.post("/chat", json=PROMPT)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (504, "accept_timeout")
    assert len(responder.requests) == 2  # at 0 s and 2 s of 3
    assert {request.headers["Chat-Id"] for request in responder.requests} == {error["id"]}


async def test_a_bus_that_is_down_is_a_503_at_once_and_recovers_by_itself(bus, gateway, http, respond):
    """Nothing waits for a bus that is not there, and nothing is to be done when it returns."""
    bus.kill()
    await until(lambda: down(gateway))
    began = asyncio.get_running_loop().time()
    answer = await http.post("/chat", json=PROMPT)
    assert (answer.status_code, error_of(answer)["code"]) == (503, "bus_unavailable")
    assert asyncio.get_running_loop().time() - began < 1
    await bus.start()
    await gateway.connected()
    await respond()
    assert (await http.post("/chat", json=PROMPT)).status_code == 200


async def down(gateway):
    return not await gateway.part("bus")


async def test_a_bus_lost_while_waiting_costs_nothing(bus, gateway, http, respond):
    """The wait goes on, the request is repeated when the bus is back, and its answer arrives."""

    async def accept_then_answer_a_repeat(responder, request):
        await responder.accept(request)
        if request.headers["Chat-Id"] in seen:
            await responder.finish(request)
        seen.add(request.headers["Chat-Id"])

    seen = set()
    await respond(accept_then_answer_a_repeat)
    asking = asyncio.create_task(http.post("/chat", json=PROMPT))
    await until(lambda: seen)
    bus.kill()
    await until(lambda: down(gateway))
    await bus.start()
    await respond(accept_then_answer_a_repeat)
    answer = await asking
    assert (answer.status_code, answer.json()["response"]) == (200, "blue")


async def test_it_starts_without_a_bus(bus, tmp_path):
    """It serves and says what is missing; when the bus comes it is used."""
    bus.kill()
    gateway = await Gateway(bus, tmp_path).start()
    try:
        async with httpx.AsyncClient(base_url=gateway.url) as http:
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["parts"]["bus"]["ready"]) == (503, False)
            assert error_of(await http.post("/chat", json=PROMPT))["code"] == "bus_unavailable"
        await bus.start()
        await gateway.connected()
    finally:
        await gateway.stop()


async def test_ready_with_bus_filter_and_consumer(bus, http):
    """Each part's heartbeat is needed, and each part that is not ready says why."""
    ready = await http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["parts"]["bus"] == {"ready": True}
    consumer = await bus.connect("consumer")
    await beat(await bus.connect("filter"), "filter")
    await beat(consumer, "consumer", ready=False, reason="llama.cpp is loading")

    async def parts():
        return (await http.get("/readyz")).json()["parts"]

    async def consumer_heard():
        return (await parts())["consumer"].get("reason") == "llama.cpp is loading"

    await until(consumer_heard)
    await beat(consumer, "consumer")

    async def all_ready():
        return (await http.get("/readyz")).status_code == 200

    await until(all_ready, within=3)


async def test_a_client_that_goes_away_leaves_nothing(http, respond):
    """Its wait ends; what is said of its request later is nobody's, and is counted as such."""

    async def accept(responder, request):
        await responder.accept(request)

    responder = await respond(accept)
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/chat", json=PROMPT, timeout=0.3)

    async def noted():
        return 'code="client_gone",route="/chat",status="499"} 1.0' in (await http.get("/metrics")).text

    await until(noted)
    await responder.finish(responder.requests[0])

    async def unclaimed():
        return "stile_gateway_unclaimed_events_total 1.0" in (await http.get("/metrics")).text

    await until(unclaimed)


async def test_a_key_gives_one_id(http, respond):
    """The same key is the same id and goes to the filter with it; another client's or key's is another."""
    responder = await respond()
    for key in ("a", "a", "b"):
        answer = await http.post("/chat", json=PROMPT, headers={"Idempotency-Key": key})
        assert answer.status_code == 200
    first, again, other = (request.headers["Chat-Id"] for request in responder.requests)
    assert first == again != other
    assert [request.headers["Chat-Key"] for request in responder.requests] == ["a", "a", "b"]


async def test_sigterm_finishes_what_is_held(gateway, http, respond):
    """The answer in the making reaches its client, and the exit code is 0."""
    release = asyncio.Event()

    async def answer_when_released(responder, request):
        await responder.accept(request)
        await release.wait()
        await responder.finish(request)

    responder = await respond(answer_when_released)
    asking = asyncio.create_task(http.post("/chat", json=PROMPT))
    await until(lambda: responder.requests)
    gateway.process.signal(signal.SIGTERM)
    async with httpx.AsyncClient() as other:
        await until(lambda: refuses(other, gateway.url))
    assert not asking.done()
    release.set()
    assert (await asking).status_code == 200
    await until(lambda: gateway.process.exit_code is not None)
    assert gateway.process.exit_code == 0


async def refuses(client, url):
    try:
        await client.get(f"{url}/healthz")
    except httpx.TransportError:
        return True
    return False


async def test_sigterm_gives_up_what_takes_too_long(bus, tmp_path, respond):
    """When the time is over the client is told that the answer may still come, and nothing is cut off."""
    gateway = Gateway(bus, tmp_path, STILE_SHUTDOWN_SECONDS="0.5")
    await gateway.start()
    await gateway.connected()

    async def accept(responder, request):
        await responder.accept(request)

    responder = await respond(accept)
    async with httpx.AsyncClient(timeout=30) as http:
        asking = asyncio.create_task(http.post(f"{gateway.url}/chat", json=PROMPT))
        await until(lambda: responder.requests)
        assert await gateway.stop() == 0
        answer = await asking
    assert (answer.status_code, error_of(answer)["code"]) == (504, "answer_timeout")


async def test_nothing_of_a_client_stands_in_the_log(gateway, http, respond):
    """Lines have ids, codes and times, never a prompt, an answer or a key."""
    await respond()
    await http.post("/chat", json={"prompt": "my secret"}, headers={"Idempotency-Key": "my-key"})
    await http.post("/chat", json={"prompt": "my secret", "temperature": "my secret"})
    await until(lambda: "invalid_request" in gateway.process.output())
    for text in ("my secret", "my-key", "blue", "SU"):
        assert text not in gateway.process.output()
