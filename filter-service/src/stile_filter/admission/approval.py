"""What a request becomes once it is approved: the message in CHAT, and what the queue needs to know of it."""

from typing import NamedTuple

from stile_contracts import headers, models
from stile_contracts.messages import ApprovedChat, ChatRequest, EventLevel, NamedTool, Output, Sampling, Trim
from stile_filter.admission import conversation
from stile_filter.admission.envelope import Envelope
from stile_filter.admission.limits import model_of
from stile_filter.admission.ports import Signer
from stile_filter.guard.control_tokens import neutralised
from stile_filter.guard.policy import ClientSystem, ControlTokens, Policy
from stile_filter.guard.texts import RequestTexts
from stile_filter.queue.positions import Subscription
from stile_filter.queue.speed import Size
from stile_runtime import tracing


class SignedMessage(NamedTuple):
    """A message for CHAT."""

    subject: str
    body: bytes
    """An ``ApprovedChat``."""
    headers: dict[str, str]


class Approvals:
    """Makes them.

    Args:
        policy: the system prompt, and how long an answer may be; a request's own policy.
        signer: signs them.
    """

    def __init__(self, policy: Policy, signer: Signer) -> None:
        self._policy = policy
        self._signer = signer

    def message(self, request: ChatRequest, envelope: Envelope, wanted: EventLevel) -> SignedMessage:
        """Make the signed message of a request."""
        chat = self._conversation(request, trims=trims(envelope, self._policy))
        if self._policy.control_tokens is ControlTokens.NEUTRALISE:
            chat = neutralised(chat)
        body = chat.model_dump_json(exclude_none=True).encode()
        subject = envelope.approved_subject(model_of(request))
        unsigned = self._headers(envelope, wanted)
        return SignedMessage(subject, body, unsigned | self._signer.sign(subject, unsigned, body))

    def subscription(
        self, request: ChatRequest, texts: RequestTexts, envelope: Envelope, wanted: EventLevel
    ) -> Subscription:
        """Return what the queue needs to know of an approved request."""
        chars = texts.joined.chars + len(self._policy.system_prompt or "")
        return Subscription(
            envelope.subject,
            models.token(model_of(request) or ""),
            envelope.id,
            envelope.reply_to,
            wanted,
            Size(chars, self._answer_tokens(request)),
            envelope.deadline_ms,
        )

    def _answer_tokens(self, request: ChatRequest) -> int:
        limit = self._policy.answer_tokens
        wanted = request.max_tokens or 0
        return min(wanted, limit) if wanted > 0 else limit

    def _conversation(self, request: ChatRequest, *, trims: bool) -> ApprovedChat:
        messages = conversation.approved(
            request.conversation(),
            self._policy.system_prompt,
            joins_users=self._policy.client_system is ClientSystem.AS_USER,
        )
        # Its parts were validated when they were read, and pydantic does not do it again.
        return ApprovedChat(
            messages=messages,
            exchanges=conversation.exchanges(messages) if trims else None,
            sampling=self._sampling(request),
            output=_output(request),
            model=model_of(request),
            check_answer=self._policy.checks_answers,
            refusal_message=request.refusal_message if self._policy.checks_answers else None,
        )

    def _sampling(self, request: ChatRequest) -> Sampling:
        """Return the parameters in the values that llama.cpp reads."""
        values: dict[str, int | None] = {"max_tokens": self._answer_tokens(request)}
        if request.seed is not None:
            # By -1 clients mean any seed; without one, the worker makes it from the request's id.
            values["seed"] = None if request.seed == -1 else request.seed % 2**32
        if request.top_k is not None:
            values["top_k"] = max(request.top_k, 0)
        return request.sampling().model_copy(update=values)

    def _headers(self, envelope: Envelope, wanted: EventLevel) -> dict[str, str]:
        traceparent = tracing.traceparent() or envelope.traceparent
        traced = {headers.TRACEPARENT: traceparent} if traceparent else {}
        return {
            headers.CHAT_ID: str(envelope.id),
            headers.CHAT_CLIENT: envelope.client,
            headers.CHAT_LANE: envelope.lane,
            headers.CHAT_DEADLINE: str(envelope.deadline_ms),
            headers.CHAT_EVENTS: wanted,
            headers.CHAT_REPLY_TO: envelope.reply_to,
            headers.CHAT_BODY_SHA256: envelope.body_sha256,
            headers.CHAT_POLICY: self._policy.version,
            **traced,
        }


def trims(envelope: Envelope, policy: Policy) -> bool:
    """Return whether the oldest exchanges may be left out: the header, or else the policy, says so."""
    return (envelope.trim or policy.trim) is Trim.OLDEST


def _output(request: ChatRequest) -> Output:
    """Return the options; llama.cpp knows no named tool, so it gets that tool alone, and must call one."""
    chosen, output = request.tool_choice, request.output()
    if not isinstance(chosen, NamedTool):
        return output
    named = [tool for tool in request.tools or () if tool.function.name == chosen.function.name]
    return output.model_copy(update={"tools": named, "tool_choice": "required"})
