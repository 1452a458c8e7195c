# ruff: noqa: RUF001 -- Russian and Chinese
"""How long the trained check takes: ``PYTHONPATH=filter-service/src python benchmarks/guard/trained.py``.

Prints milliseconds of processor time for each text: the least of several rounds, as other programs slow
the others down.
"""

import base64
import sys
import time

from stile_filter.guard.trained.heads import Heads
from stile_filter.guard.trained.lexicon import load_lexicon
from stile_filter.guard.trained.weights import load_weights

_ROUNDS = 15
_EACH = 40
_QUESTION = (
    "Could you explain in simple words how the water cycle works, and why it rains more often near the "
    "mountains than at the sea? My daughter gives a short talk about it on Friday, so please keep it short."
)
_PAGE = (
    "The museum was opened in 1911. It shows the tools of farmers and fishermen, and on Sundays somebody "
    "bakes bread in the old oven. Children pay half. "
)
_RUSSIAN = (
    "Объясни, пожалуйста, простыми словами, как устроен круговорот воды и почему в горах дождь идёт чаще, "
    "чем у моря? Дочь рассказывает об этом в пятницу, поэтому ответь, пожалуйста, коротко и понятно всем."
)
_CHINESE = (
    "请用简单的话说明水循环是怎样的，为什么山区比海边更常下雨？我女儿星期五要做一个小报告，请写得短一些。" * 4
)


def main() -> None:
    """Measure and print."""
    heads = Heads(load_weights(), load_lexicon())
    hidden = base64.b64encode(_QUESTION.encode()).decode()
    for name, text in (
        ("English", _QUESTION),
        ("a page", (_PAGE * 10)[:1000]),
        ("a long page", (_PAGE * 100)[:10_000]),
        ("Russian", _RUSSIAN),
        ("Chinese", _CHINESE),
        ("leet", _QUESTION.replace("e", "3").replace("o", "0")),
        ("base64", hidden),
    ):
        sys.stdout.write(f"{name}, {len(text)} characters: {_measured(heads, text):.2f} ms\n")


def _measured(heads: Heads, text: str) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for number in range(_EACH):
            heads.scores(f"{text} {number}")  # the last text is remembered
        rounds.append((time.process_time() - began) / _EACH * 1000)
    return min(rounds)


if __name__ == "__main__":
    main()
