"""The file that `stile status` reads."""

import os

from stile_runtime.installation import state
from stile_runtime.installation.state import PartState, PartStatus, State


def test_state_of_a_supervisor_that_is_gone_is_not_believed(tmp_path):
    """A process id that somebody else has now is not taken for the supervisor's, nor for a part's."""
    path = tmp_path / "state.json"
    me, born = os.getpid(), state.created(os.getpid())
    right = PartStatus("nats", pid=me, state=PartState.RUNNING, port=1, created=born)
    wrong = PartStatus("llama", pid=me, state=PartState.RUNNING, port=2, created=born - 5)
    state.write(path, State(me, born, (right, wrong)))
    first, second = state.read(path).parts
    assert first == right
    assert (second.pid, second.state) == (None, PartState.RESTARTING)
    state.write(path, State(me, born - 5, (right,)))
    assert state.read(path) is None
    path.write_text("{")
    assert state.read(path) is None
