"""A replay, without the filter's program."""

import asyncio
from pathlib import Path

from stile_console.policies import replay


async def test_two_at_once_have_a_policy_each(tmp_path, monkeypatch):
    """Beside the policy in use, whose word lists they name; nothing of them is left there."""
    both_run, both_have_read = asyncio.Barrier(2), asyncio.Barrier(2)

    async def run(*arguments):
        await both_run.wait()
        policy = Path(arguments[arguments.index("--policy") + 1])
        found = {"folder": policy.parent, "text": await asyncio.to_thread(policy.read_text)}
        await both_have_read.wait()
        return found

    monkeypatch.setattr(replay, "program", lambda: "stile-filter")
    monkeypatch.setattr(replay, "_run", run)
    asked = [replay.replay(tmp_path, text, tmp_path, "key", days=1) for text in ("one", "other")]
    found = await asyncio.gather(*asked)
    assert found == [{"folder": tmp_path, "text": text} for text in ("one", "other")]
    assert list(tmp_path.iterdir()) == []
