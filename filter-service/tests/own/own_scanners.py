"""Scanners of an owner's own, named in policies as ``own_scanners:Class``; each goes wrong in its way."""

import os
import time


class Word:
    """Refuses texts with ``word``; counts what it has seen in a file, where it is given one."""

    def __init__(self, word, seen=None):
        self._word, self._seen = word, seen

    def scan(self, prompt):
        if self._seen:
            with open(self._seen, "a") as file:  # noqa: PTH123
                file.write(prompt + "\n")
        return prompt, self._word not in prompt, 0.0


class Raises(Word):
    """Raises over texts with ``word``."""

    def scan(self, prompt):
        if self._word in prompt:
            raise RuntimeError(prompt)
        return prompt, True, 0.0


class Hangs(Word):
    """Never comes back from texts with ``word``."""

    def scan(self, prompt):
        while self._word in prompt:
            time.sleep(0.01)
        return prompt, True, 0.0


class Slow(Word):
    """Takes a quarter of a second over texts with ``word``."""

    def scan(self, prompt):
        if self._word in prompt:
            time.sleep(0.25)
        return prompt, True, 0.0


class Dies(Word):
    """Takes its process down over texts with ``word``."""

    def scan(self, prompt):
        if self._word in prompt:
            os._exit(3)
        return prompt, True, 0.0


class Leaves(Word):
    """Writes texts to a temporary file and hangs, as a scanner that was interrupted would."""

    def scan(self, prompt):
        if self._word in prompt:
            import tempfile  # noqa: PLC0415

            with tempfile.NamedTemporaryFile("w", delete=False) as file:
                file.write(prompt)
            time.sleep(60)
        return prompt, True, 0.0


class Gate(Word):
    """Lets texts with ``word`` through once the file ``gate`` is there; says in ``seen`` that it waits."""

    def __init__(self, word, seen, gate):
        super().__init__(word, seen)
        self._gate = gate

    def scan(self, prompt):
        super().scan(prompt)
        while self._word in prompt and not os.path.exists(self._gate):  # noqa: PTH110
            time.sleep(0.01)
        return prompt, True, 0.0
