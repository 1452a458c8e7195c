"""The answers that clients have received, so that one that comes back is known: docs/adr/0033.

Only keyed hashes are kept, in the stream CHAT_WRITTEN. The key is made from the filter's signing key.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from hashlib import blake2b

import structlog

from stile_contracts.messages import AnswerCheck, AnswerKind
from stile_filter.errors import BusError
from stile_filter.guard.texts import Text
from stile_filter.store import Store

_CALL_END = "\n"
"""Between the name and the arguments of a call, in a check."""

_AT_ONCE = 32
"""Look-ups of one request at the same time, so that those of others come between."""

log = structlog.get_logger()


class OwnAnswers:
    """Remembers answers, and knows them when they come back.

    Args:
        store: keeps the hashes.
        secret: returns the key of the hashes, of 16 to 64 bytes.
    """

    def __init__(self, store: Store, secret: Callable[[], bytes]) -> None:
        self._store = store
        self._secret = secret

    async def remember(self, answer: AnswerCheck) -> bool:
        """Remember the texts of an answer for its client; False if the stream does not take them."""
        client = answer.client or ""
        tags = []
        for part in answer.parts:
            if part.kind is AnswerKind.CALL:
                name, _, arguments = part.text.partition(_CALL_END)
                tags.append(self._tag(client, name, arguments))
            elif part.kind is AnswerKind.CONTENT:
                tags.append(self._tag(client, part.text))
        try:
            await asyncio.gather(*(self._store.remember(client, tag) for tag in tags))
        except BusError as error:
            log.warning("answer_not_remembered", chat_id=str(answer.id), reason=str(error))
            return False
        return True

    async def among(self, client: str, texts: Iterable[Text]) -> frozenset[Text]:
        """Return those of the texts, of messages of an assistant, that this client has received.

        Raises:
            UnconfirmedError, UnavailableError: the stream can't be read.
        """
        # Of a call: its name, its arguments, and what a reader of JSON would see in them.
        tags = {text: self._tag(client, *text.parts[:2]) for text in texts}
        asked = list(set(tags.values()))
        found: set[str] = set()
        for at in range(0, len(asked), _AT_ONCE):
            some = asked[at : at + _AT_ONCE]
            known = await asyncio.gather(*(self._store.remembers(client, tag) for tag in some))
            found.update(tag for tag, is_known in zip(some, known, strict=True) if is_known)
        return frozenset(text for text, tag in tags.items() if tag in found)

    def _tag(self, client: str, first: str, arguments: str | None = None) -> str:
        """Return the hash of a content, or of the name and the arguments of a call."""
        fields = (client, first.strip()) if arguments is None else (client, first, _canonical(arguments))
        digest = blake2b(digest_size=16, key=self._secret())
        for field in fields:
            written = field.encode("utf-8", "surrogatepass")
            # With its length, so that no other fields make the same bytes.
            digest.update(len(written).to_bytes(8, "big"))
            digest.update(written)
        return digest.hexdigest()


def _canonical(arguments: str) -> str:
    """Write JSON in one way: some clients read a call's arguments, and write them anew."""
    try:
        return json.dumps(json.loads(arguments, parse_float=_number), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return arguments


def _number(text: str) -> float:
    """Read 1.0 as 1, as JavaScript writes it."""
    number = float(text)
    return int(number) if number.is_integer() else number
