"""The stand-in's tokenizer, as ``/tokenize`` shows it: a token for each byte, and some special ones.

Of a whole prompt (``add_special``) each word is a token, as in the stand-in's limit of a conversation.

``mode`` says how it fails: ``absent`` (404), ``blind`` (it does not know ``parse_special``), ``failing``
(500), ``loading`` (503), ``silent`` (no answer) or ``broken`` (the connection is closed).
"""

import re

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<made_up>")
"""Their ids are their indexes. The last one is in no table of known markers."""

_SPLIT = re.compile(f"({'|'.join(map(re.escape, SPECIAL))})")
_ERRORS = {
    "absent": {"message": "File Not Found", "type": "not_found_error", "code": 404},
    "failing": {"message": "made to fail", "type": "server_error", "code": 500},
    "loading": {"message": "Loading model", "type": "unavailable_error", "code": 503},
}


class Tokenizer:
    """Reads texts, and counts them."""

    def __init__(self) -> None:
        self.mode: str | None = None
        self.asked = 0

    def answer(self, question: dict[str, object]) -> tuple[dict[str, object], int] | None:
        """Return body and status; None if there is no answer."""
        self.asked += 1
        if self.mode in {"silent", "broken"}:
            return None
        if error := _ERRORS.get(self.mode or ""):
            return {"error": error}, error["code"]
        if question.get("add_special"):
            return {"tokens": [*range(len(str(question["content"]).split()))]}, 200
        special = question.get("parse_special", True) and self.mode != "blind"
        tokens: list[int] = []
        for piece in _SPLIT.split(str(question["content"])):
            if special and piece in SPECIAL:
                tokens.append(SPECIAL.index(piece))
            else:
                tokens += [byte + len(SPECIAL) for byte in piece.encode()]
        return {"tokens": tokens}, 200
