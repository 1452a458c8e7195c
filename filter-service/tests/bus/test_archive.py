"""The sealed archive, on a real bus, with the real service."""

import json
import urllib.request

from harness.processes.ports import free_port
from harness.processes.wait import until
from stile_filter.policies.archive import files, records

WORDS = "keywords:\n- {id: rude, category: rudeness, phrases: [darnation]}\n"


def archived(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return {
        line.partition('result="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("stile_filter_archived_total{")
    }


async def test_what_is_refused_is_kept_for_the_holder_of_the_key(gateway, run_filter, tmp_path):
    """Its text is in no file that can be read without the key, and in no log."""
    key, folder, port = tmp_path / "archive.key", tmp_path / "archive", free_port()
    public = records.make_key(key)
    process = await run_filter(
        WORDS + f"archive: {{key: {public}}}\n", STILE_ARCHIVE=folder, STILE_FILTER_PORT=port
    )
    await gateway.ask(1, {"prompt": "darnation, Ada"}, Chat_Client="http-ada")
    assert json.loads((await gateway.answer(1))[0].data)["refused"]
    await gateway.ask(2, {"prompt": "hello"})
    await gateway.answer(2)
    await until(lambda: archived(port) == {"kept": 1.0}, what="it is kept")
    [sealed] = files.read(folder)
    assert b"Ada" not in sealed
    record = records.unseal(sealed, records.read_key(key))
    assert json.loads(record.body) == {"prompt": "darnation, Ada"}
    assert (record.client, record.rule, record.location) == ("http-ada", "rude", "prompt")
    assert "Ada" not in process.output()


async def test_an_archive_that_cannot_be_written_costs_no_request(gateway, run_filter, tmp_path):
    """The disk is full, or the folder is none: requests are judged as ever, and what is lost is counted."""
    folder, port = tmp_path / "archive", free_port()
    folder.write_text("a file")
    public = records.make_key(tmp_path / "archive.key")
    process = await run_filter(
        WORDS + f"archive: {{keep: all, key: {public}}}\n", STILE_ARCHIVE=folder, STILE_FILTER_PORT=port
    )
    await gateway.ask(1, {"prompt": "darnation"})
    assert json.loads((await gateway.answer(1))[0].data)["refused"]
    await gateway.ask(2, {"prompt": "hello"})
    assert (await gateway.answer(2))[0].headers["Chat-Event"] == "accepted"
    await until(lambda: archived(port) == {"dropped": 2.0}, what="both are counted")
    assert process.output().count("archive_not_written") == 1
