"""Traces of OpenTelemetry, as a collector receives them from the real parts."""

import json
import subprocess
import sys

import httpx
import pytest

from harness.nats.bus import REPOSITORY
from harness.parts.collector import collecting
from harness.processes.wait import until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
PROMPT = "Why is the sky blue, my confidential friend?"
ANSWER = "Because of a secret scattering."


@pytest.fixture
def collector():
    """A collector."""
    with collecting() as collector:
        yield collector


def settings(collector):
    """The whole shipped policy, so that scanners take part; spans are sent soon."""
    return {
        "STILE_POLICY": str(REPOSITORY / "filter-service/policy.yml"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }


async def received(collector, *names, trace=TRACE):
    """Return the spans of a trace by name, once there is each of these."""

    def spans():
        return {span.name: span for span in collector.spans if span.trace == trace}

    await until(lambda: set(names) <= set(spans()), what=f"spans {names}")
    return spans()


async def test_a_request_is_one_trace_through_all_parts(start_system, collector):
    """The client's trace goes on: gateway, filter with each scanner, queue, the model, the reply; no text."""
    system = await start_system(settings=settings(collector))
    await system.model.says(ANSWER)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        answer = (await http.post("/chat", json={"prompt": PROMPT}, headers=HEADERS)).json()
    assert answer["response"] == ANSWER
    model = answer["model"]
    names = ("POST /chat", "filter", "keywords", "scanners", "scan", "queue", "job", f"chat {model}", "reply")
    spans = await received(collector, *names)
    parents = {
        "filter": "POST /chat",
        "keywords": "filter",
        "scanners": "filter",
        "scan": "scanners",
        "queue": "filter",
        "job": "filter",
        f"chat {model}": "job",
        "reply": "job",
    }
    assert {name: spans[name].parent for name in parents} == {
        name: spans[parent].id for name, parent in parents.items()
    }
    assert spans["POST /chat"].parent == CALLER
    assert {name: spans[name].service for name in ("POST /chat", "filter", "job")} == {
        "POST /chat": "stile-gateway",
        "filter": "stile-filter",
        "job": "stile-consumer",
    }
    scans = {span.attributes["stile.rule"] for span in collector.spans if span.name == "scan"}
    assert {"Credentials", "HiddenText", "TrainedInjection"} <= scans
    for name in ("POST /chat", "filter", "job"):
        assert spans[name].attributes["stile.chat_id"] == answer["id"]
    generated = spans[f"chat {model}"].attributes
    assert generated["gen_ai.operation.name"] == "chat"
    assert generated["gen_ai.response.model"] == model
    assert generated["gen_ai.usage.input_tokens"] == answer["usage"]["prompt_tokens"]
    assert generated["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    assert generated["gen_ai.response.finish_reasons"] == [answer["finish_reason"]]
    assert spans["filter"].attributes["stile.outcome"] == "accepted"
    assert spans["job"].attributes["stile.outcome"] == "done"
    assert not any(span.failed for span in spans.values())
    for text in (b"confidential", b"scattering"):
        assert not any(text in body for body in collector.bodies)


async def test_a_refusal_names_its_rule(start_system, collector):
    """A stream over HTTP that is refused, and what the trace says of it."""
    system = await start_system(settings=settings(collector))
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        refused = await http.post("/chat", json={"prompt": "fuck off"}, headers=HEADERS)
    assert refused.json()["refused"]
    spans = await received(collector, "filter", "POST /chat")
    assert spans["filter"].attributes["stile.outcome"] == "refused"
    assert spans["filter"].attributes["stile.rule"] == "profanity"
    assert "job" not in spans


async def test_a_fault_is_marked_without_its_text(start_system, collector):
    """What llama.cpp could not do, and what the filter found wrong."""
    system = await start_system(settings=settings(collector))
    await system.model.faults(status=500, times=9)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        failed = await http.post("/chat", json={"prompt": PROMPT}, headers=HEADERS)
    assert failed.json()["error"]["code"] == "model_failed"
    spans = await received(collector, "job")
    assert spans["job"].failed
    assert spans["job"].attributes["error.type"] == "model_failed"


async def test_a_request_over_nats_is_traced(start_system, collector):
    """A direct client without a trace gets a new one."""
    system = await start_system(settings=settings(collector))
    nats = await system.bus.connect("alice")
    message = await nats.request("chat.request", json.dumps({"prompt": "Hi"}).encode(), timeout=60)
    answer = json.loads(message.data)

    def job():
        return [
            s
            for s in collector.spans
            if s.attributes.get("stile.chat_id") == answer["id"] and s.name == "job"
        ]

    await until(lambda: bool(job()), what="the job's span")
    spans = await received(collector, "filter", "queue", "job", "reply", trace=job()[0].trace)
    assert spans["filter"].parent == ""


async def test_a_receiver_that_is_away_costs_no_request(start_system):
    """Nothing listens there: requests are answered, and the parts stop when they are told to."""
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    system = await start_system(settings=away)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        for _ in range(5):
            assert (await http.post("/chat", json={"prompt": "Hi"})).status_code == 200


def test_the_sdk_is_not_loaded_while_it_is_off():
    """It takes memory, and its import takes time. FastAPI imports the small API by itself."""
    code = (
        "import sys, stile_gateway.app, stile_filter.app\n"
        "parts = ('sdk', 'exporter', 'instrumentation')\n"
        "names = tuple(f'opentelemetry.{part}' for part in parts)\n"
        "print([name for name in sys.modules if name.startswith(names)])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
