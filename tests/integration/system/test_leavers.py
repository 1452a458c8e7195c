"""Clients that leave: in the queue, in mid-answer, many at once."""

from collections import Counter

from harness.clients.leaving_clients import LeavingClients
from harness.processes.footprint import footprints
from harness.processes.wait import until

SIZE = 200
ROUNDS = 3
GROWTH_MB = 12
"""Between the second round and the last. A buffer kept for each of the leavers would be more."""


async def test_leavers_cost_nothing_and_who_stays_is_answered(start_system):
    """200 clients, half leave in the queue, a quarter in mid-answer.

    Who stayed is answered with their own text; the model was never asked for who left before their turn, and
    was stopped for who left in mid-answer; memory and descriptors do not grow from round to round.
    """
    system = await start_system(tokens=1000, token_seconds=0.1)
    provisioner = await system.bus.connect("provisioner")
    before = {}
    for number in range(ROUNDS):
        crowd = LeavingClients(SIZE if number == 0 else SIZE // 2, f"round {number}")
        await crowd.visit(system, provisioner)
        assert crowd.answers == {prompt: f"echo: {prompt} word word" for prompt in crowd.staying}
        record = await system.model.log()
        mine = [entry for entry in record["generations"] if entry["prompt"].startswith(crowd.name)]
        asked = Counter(entry["prompt"] for entry in mine)
        assert asked == Counter([crowd.holding, *crowd.in_answer, *crowd.staying])
        stopped = {entry["prompt"] for entry in mine if entry["outcome"] == "cancelled"}
        # The one that held the queue up while it filled may have come to its end.
        assert stopped - {crowd.holding} == {*crowd.in_answer}
        assert record["most_open"] == 1
        if number == 1:
            before = footprints(system)

    def settled():
        after = footprints(system)
        return all(
            after[part].megabytes < held.megabytes + GROWTH_MB and after[part].descriptors <= held.descriptors
            for part, held in before.items()
            if part != "nats-server"  # its cache of the streams' blocks is its own business
        )

    await until(settled, within=30, what="memory and descriptors are where they were")
