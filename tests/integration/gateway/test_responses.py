"""OpenAI's responses at the edge: what is stored, for whom, and what is asked of the bus."""

import json

import pytest

from harness.parts.gateway import Gateway, Responder
from harness.processes import plain_http
from harness.processes.wait import until
from stile_runtime.api_keys import ApiKey, ApiKeys, digest

PATH = "/v1/responses"
ASK = {"model": "stile", "input": "Why?"}
ADA, BEA = ({"Authorization": f"Bearer key-of-{name}"} for name in ("ada", "bea"))


@pytest.fixture
def gateway_settings(tmp_path):
    keys = tuple(ApiKey(name=name, sha256=digest(f"key-of-{name}")) for name in ("ada", "bea"))
    path = tmp_path / "keys.json"
    path.write_text(ApiKeys(keys=keys).model_dump_json())
    return {"STILE_API_KEYS": str(path), "STILE_ACCEPT_TIMEOUT": "3"}


@pytest.fixture
async def responder(bus):
    return await Responder(await bus.connect("filter"), Responder.whole).start()


async def ask(http, headers=ADA, **fields):
    return await http.post(PATH, json={**ASK, **fields}, headers=headers)


async def test_what_is_asked_of_the_bus(http, responder):
    """It is Stile's own request, and with all of the conversation if it continues one."""
    first = (await ask(http, instructions="Be short.")).json()
    assert (first["status"], first["output"][0]["content"][0]["text"]) == ("completed", "blue")
    second = await ask(http, input="And then?", previous_response_id=first["id"])
    assert second.status_code == 200
    user = {"role": "user", "content": "Why?"}
    assert json.loads(responder.requests[0].data) == {
        "model": "stile",
        "messages": [{"role": "system", "content": "Be short."}, user],
    }
    assert json.loads(responder.requests[1].data)["messages"] == [
        user,
        {"role": "assistant", "content": "blue"},
        {"role": "user", "content": "And then?"},
    ]


async def test_a_restarted_gateway_continues_a_response(bus, tmp_path, http, responder, gateway_settings):
    """What was asked is on the bus, and not in the gateway that was asked."""
    first = (await ask(http)).json()
    other = await Gateway(bus, tmp_path, **gateway_settings).start()
    try:
        await other.connected()
        async with plain_http.client(base_url=other.url, timeout=30) as elsewhere:
            again = await elsewhere.get(f"{PATH}/{first['id']}", headers=ADA)
            assert again.json() == first
            second = await ask(elsewhere, input="And then?", previous_response_id=first["id"])
            assert second.status_code == 200
    finally:
        await other.stop()
    assert len(json.loads(responder.requests[1].data)["messages"]) == 3


async def test_another_clients_response_is_not_found(http, responder):
    """It can be neither read nor continued, cancelled or deleted; its own client still has it."""
    name = (await ask(http)).json()["id"]
    answers = [
        await http.get(f"{PATH}/{name}", headers=BEA),
        await http.get(f"{PATH}/{name}?stream=true", headers=BEA),
        await http.get(f"{PATH}/{name}/input_items", headers=BEA),
        await http.post(f"{PATH}/{name}/cancel", headers=BEA),
        await http.delete(f"{PATH}/{name}", headers=BEA),
        await ask(http, BEA, previous_response_id=name),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"]["code"] for answer in answers} == {"not_found"}
    item = {"type": "item_reference", "id": name.replace("resp_", "msg_")}
    assert (await ask(http, BEA, input=[{"role": "user", "content": "Why?"}, item])).status_code == 404
    assert len(responder.requests) == 1
    assert (await http.get(f"{PATH}/{name}", headers=ADA)).status_code == 200


async def test_what_cannot_be_stored_is_not_asked(bus, http, responder):
    """Without its stream it is an error of the moment; unstored it is answered."""
    provisioner = await bus.connect("provisioner")
    await provisioner.jetstream().delete_stream("CHAT_CONVERSATION")
    answer = await ask(http)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "bus_unavailable")
    assert responder.requests == []
    assert (await ask(http, store=False)).json()["status"] == "completed"


@pytest.mark.usefixtures("responder")
async def test_a_deleted_response_is_gone_from_the_disk(bus, http):
    """The stream holds nothing of its text."""
    name = (await ask(http, input="SECRET")).json()["id"]
    assert (await http.delete(f"{PATH}/{name}", headers=ADA)).json() == {
        "id": name,
        "object": "response",
        "deleted": True,
    }
    js = (await bus.connect("provisioner")).jetstream()
    info = await js.stream_info("CHAT_CONVERSATION", subjects_filter=">")
    [subject] = info.state.subjects
    assert (await js.get_last_msg("CHAT_CONVERSATION", subject)).data in {None, b""}
    assert info.state.messages == 1
    assert (await http.get(f"{PATH}/{name}", headers=ADA)).status_code == 404


async def test_a_failed_response_says_how_it_ended(bus, http):
    """Read later it is no error of the reading; it cannot be continued."""
    responder = await Responder(
        await bus.connect("filter"),
        lambda responder, request: responder.fail(request, "model_failed", final=True),
    ).start()
    begun = await ask(http, background=True)
    assert begun.json()["error"]["code"] == "model_failed"
    [chat_id] = [request.headers["Chat-Id"] for request in responder.requests]
    later = (await http.get(f"{PATH}/resp_{chat_id}", headers=ADA)).json()
    assert (later["status"], later["error"]["code"]) == ("failed", "server_error")
    assert later["stile"] == {"code": "model_failed"}
    answer = await ask(http, previous_response_id=f"resp_{chat_id}")
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
        "invalid_request",
        "previous_response_id",
    )


async def test_a_response_in_the_background_outlives_its_client(bus, http):
    """It says where it stands, in its place in the queue, and is cancelled by its address alone."""

    async def wait(responder, request):
        await responder.accept(request, position=2)

    responder = await Responder(await bus.connect("filter"), wait).start()
    begun = (await ask(http, background=True)).json()
    assert (begun["status"], begun["stile"]["position"]) == ("queued", 2)
    assert responder.cancels == []
    answer = await ask(http, previous_response_id=begun["id"])
    assert answer.json()["error"]["param"] == "previous_response_id"
    assert (await http.get(f"{PATH}/{begun['id']}?starting_after=3", headers=ADA)).status_code == 400
    await http.post(f"{PATH}/{begun['id']}/cancel", headers=ADA)
    await until(lambda: responder.cancels, within=10, what="the filter is told")


@pytest.mark.parametrize("name", ["none", "resp_1", "resp_0190a5d0000070008000000000000001"])
async def test_what_is_no_id_is_not_found(http, responder, name):
    """The text of such an id is in no error."""
    for answer in (await http.get(f"{PATH}/{name}", headers=ADA), await ask(http, previous_response_id=name)):
        assert answer.status_code == 404
        assert name not in answer.json()["error"]["message"]
    assert responder.requests == []
