"""The part of an answer that a client does not have yet, if its stream cannot begin again.

What was sent is never taken back. If another attempt begins, its tokens are held back until they begin with
what was sent; ``done`` has all of it. If they differ from it, the stream ends with an error.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from stile_contracts.messages import Reply, TokenEvent
from stile_gateway.errors import InternalError


class Piece(NamedTuple):
    """What is sent next; it may be empty."""

    text: str = ""
    thought: str = ""
    """What the model thinks; it comes before the text."""
    calls: list[dict[str, Any]] | None = None
    """Deltas of tool calls, in OpenAI's shape."""
    logprobs: list[dict[str, Any]] | None = None
    """Of each token of ``text``, in OpenAI's shape."""


_NOTHING = Piece()


@dataclass(slots=True)
class _Again:
    """What a later attempt has written, until it has caught up."""

    text: str = ""
    thought: str = ""


class Continuation:
    """Keeps what was sent of one answer."""

    def __init__(self) -> None:
        self._text = ""
        self._thought = ""
        self._calls: list[dict[str, str]] = []
        self._logprobs = 0  # tokens whose logprobs were sent
        self._attempt = 0
        self._again: _Again | None = None

    def begin(self, attempt: int) -> None:
        """Note that what follows is of this attempt."""
        if attempt != self._attempt:
            self._attempt = attempt
            self._again = _Again() if self._text or self._thought or self._calls else None

    def token(self, token: TokenEvent, attempt: int) -> Piece:
        """Return what is new in a token.

        Raises:
            InternalError: the answer is not the one that was begun.
        """
        self.begin(attempt)
        if self._again is None:
            thought = token.reasoning_content or ""
            return self._sent(Piece(token.text, thought, token.tool_calls, _content(token.logprobs)))
        self._again.text += token.text
        self._again.thought += token.reasoning_content or ""
        if self._calls or self._logprobs:
            return _NOTHING  # only the whole answer can be compared
        text = _rest(self._again.text, self._text)
        thought_rest = _rest(self._again.thought, self._thought)
        if text is None or thought_rest is None:
            return _NOTHING
        self._again = None
        return self._sent(Piece(text, thought_rest, token.tool_calls))

    def rest(self, reply: Reply) -> Piece:
        """Return what is missing of the whole answer.

        Raises:
            InternalError: the answer is not the one that was begun.
        """
        if reply.refusal is not None and (self._text or self._thought or self._calls):
            # The model had begun, and was stopped. What was sent stays; the refusal is a paragraph after it.
            return Piece(f"\n\n{reply.response}" if self._text else reply.response)
        text = _rest(reply.response, self._text)
        thought = _rest(reply.reasoning_content or "", self._thought)
        if text is None or thought is None:
            raise _another()
        logprobs = (_content(reply.logprobs) or [])[self._logprobs :]
        return Piece(text, thought, self._missing_calls(reply), logprobs or None)

    def _sent(self, piece: Piece) -> Piece:
        self._text += piece.text
        self._thought += piece.thought
        for call in piece.calls or ():
            self._keep(call)
        self._logprobs += len(piece.logprobs or ())
        return piece

    def _keep(self, delta: dict[str, Any]) -> None:
        if delta.get("index") == len(self._calls):
            self._calls.append({"id": "", "name": "", "arguments": ""})
        try:
            call = self._calls[delta["index"]]
            call["id"] += delta.get("id") or ""
            function = delta.get("function") or {}
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InternalError("A call of a tool could not be read.") from error

    def _missing_calls(self, reply: Reply) -> list[dict[str, Any]] | None:
        """Return the deltas that make what was sent the reply's calls."""
        missing: list[dict[str, Any]] = []
        calls = reply.tool_calls or []
        if len(self._calls) > len(calls):
            raise _another()
        for index, call in enumerate(calls):
            if index >= len(self._calls):
                missing.append({"index": index, **call.model_dump(mode="json")})
                continue
            sent = self._calls[index]
            arguments = call.function.arguments
            if (sent["id"], sent["name"]) != (call.id, call.function.name):
                raise _another()
            if not arguments.startswith(sent["arguments"]):
                raise _another()
            if rest := arguments[len(sent["arguments"]) :]:
                missing.append({"index": index, "function": {"arguments": rest}})
        return missing or None


def _rest(whole: str, sent: str) -> str | None:
    """Return what is after ``sent``; None if ``whole`` has not come so far.

    Raises:
        InternalError: it is another text.
    """
    if whole.startswith(sent):
        return whole[len(sent) :]
    if sent.startswith(whole):
        return None
    raise _another()


def _content(logprobs: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    return (logprobs or {}).get("content") or None


def _another() -> InternalError:
    return InternalError(
        "The model wrote the answer a second time, and it is a different one; send the request again."
    )
