"""A replay of a real archive from the console, by the filter's own program."""

import asyncio
import time
from uuid import uuid4

import pytest

from stile_console.errors import InvalidError
from stile_console.policies.replay import replay
from stile_filter.guard.decide import State
from stile_filter.guard.policy import ArchiveRules
from stile_filter.policies.archive import records
from stile_filter.policies.archive.files import ArchiveFiles
from stile_filter.policies.archive.records import Record


@pytest.fixture
def archive(tmp_path):
    """An archive of one request that was refused; its folder, its private key, and a folder for policies."""
    key = tmp_path / "archive.key"
    rules = ArchiveRules(key=records.make_key(key))
    record = Record(
        at_ms=int(time.time() * 1000),
        id=uuid4(),
        client="http-ada",
        policy="x",
        state=State.REFUSE,
        rule="rude",
        view=None,
        location="prompt",
        body='{"prompt": "darnation"}',
    )
    ArchiveFiles(tmp_path / "archive").append(records.seal(record, rules.key), rules)
    policies = tmp_path / "policies"
    policies.mkdir()
    return tmp_path / "archive", key.read_text(), policies


def refusing(word):
    return f"keywords:\n- {{id: other, category: rudeness, phrases: [{word}]}}\n"


async def test_two_at_once_have_each_their_own_policy(archive):
    """One policy lets the request through, the other refuses it; nothing is left behind."""
    folder, key, policies = archive
    passing, refused = await asyncio.gather(
        replay(folder, refusing("heck"), policies, key, 1),
        replay(folder, refusing("darnation"), policies, key, 1),
    )
    assert (passing["requests"], passing["let_through_now"]) == (1, {"rude": 1})
    assert refused["refused_now"] == {"other": 1}
    assert not list(policies.iterdir())


async def test_a_wrong_key_is_said(archive):
    """It is no key, or a very long text."""
    folder, _, policies = archive
    for wrong in ("no key", "x" * 1_000_000):
        with pytest.raises(InvalidError, match="holds no private key"):
            await replay(folder, refusing("heck"), policies, wrong, 1)
