"""A replay reads the policy that it was asked about; the filter's command is the test's."""

import asyncio
from pathlib import Path

from stile_console.policies import replay


def policy_of(arguments):
    return Path(arguments[arguments.index("--policy") + 1]).read_text()


async def test_two_at_once_read_their_own_policies(tmp_path, monkeypatch):
    """And leave nothing behind in the folder of the policy in use."""
    both = asyncio.Barrier(2)

    async def run(*arguments, key):
        assert key == "key"
        await both.wait()
        read = policy_of(arguments)
        await both.wait()
        return {"read": read}

    monkeypatch.setattr(replay, "_run", run)
    monkeypatch.setattr(replay, "program", lambda: "stile-filter")
    archive, folder = tmp_path / "archive", tmp_path / "policies"
    archive.mkdir()
    folder.mkdir()
    asked = [replay.replay(archive, text, folder, "key", 7) for text in ("one", "two")]
    async with asyncio.timeout(10):
        assert await asyncio.gather(*asked) == [{"read": "one"}, {"read": "two"}]
    assert list(folder.iterdir()) == []
