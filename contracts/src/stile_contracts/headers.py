"""Header names of Stile's NATS messages. Values are ASCII."""

CHAT_ID = "Chat-Id"
"""The request's id, a UUID in lower case; set by the gateway or the filter, never by a client."""

CHAT_KEY = "Chat-Key"
"""The client's idempotency key. The client's name and the key determine the id."""

CHAT_CLIENT = "Chat-Client"
"""The client. The filter takes it from the gateway; for a direct client it is the account's
name."""

CHAT_LANE = "Chat-Lane"
"""``interactive`` or ``batch``."""

CHAT_DEADLINE = "Chat-Deadline"
"""The time after which the answer is useless: milliseconds since the Unix epoch, UTC."""

CHAT_REPLY_TO = "Chat-Reply-To"
"""The reply subject. JetStream does not keep a message's reply subject, so it is copied here."""

CHAT_EVENTS = "Chat-Events"
"""Which events the requester receives: ``none`` (only the final reply), ``state``, ``token``, or
``accepted`` (and nothing after it)."""

CHAT_TRIM = "Chat-Trim"
"""What happens to a conversation that the model cannot read whole (``messages.Trim``)."""

CHAT_RESPOND = "Chat-Respond"
"""``now``, or ``later``: the requester receives only ``accepted``, and asks for the result
itself."""

CHAT_EVENT = "Chat-Event"
"""The kind of a reply message (``messages.EventKind``)."""

CHAT_ATTEMPT = "Chat-Attempt"
"""The delivery of the request that sends this, from 1; 0 is the filter. A higher one resets a lower
one."""

CHAT_SEQ = "Chat-Seq"
"""The number of this event within its attempt, from 0. On ``done`` it is the number of events
before it. ``position`` has none: each one replaces the one before, so a lost one is not a gap."""

CHAT_BODY_SHA256 = "Chat-Body-SHA256"
"""SHA-256 of the client's body, lower-case hex. It distinguishes a repeat from another request
under one key."""

CHAT_POLICY = "Chat-Policy"
"""The version of the policy that approved the request: the first 12 hex digits of its SHA-256."""

CHAT_SIGNATURE = "Chat-Signature"
"""The filter's signature over what it approved: Ed25519, base64url without padding."""

CHAT_SIGNING_KEY = "Chat-Signing-Key"
"""The filter's key that signed: the first 16 hex digits of the public key's SHA-256."""

CHAT_DEAD_REASON = "Chat-Dead-Reason"
"""On a dead letter: why the request was given up (``errors.ErrorCode``)."""

CHAT_DEAD_AT = "Chat-Dead-At"
"""On a dead letter: when it was given up, in milliseconds since the Unix epoch, UTC."""

TRACEPARENT = "traceparent"
"""W3C trace context, passed on unchanged."""

NATS_ERROR_CODE = "Nats-Service-Error-Code"
"""NATS's ADR-32: the error's HTTP status."""

NATS_ERROR = "Nats-Service-Error"
"""NATS's ADR-32: the error's ``code``. It is a constant, so no text of a client is in a header."""

NATS_SEQUENCE = "Nats-Sequence"
"""JetStream: the sequence number of a message that was read from a stream."""

NATS_SUBJECT = "Nats-Subject"
"""JetStream: the subject in the stream of a message that was read directly."""

NATS_EXPECTED_LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
"""JetStream: with ``0`` the publish fails (10071) if the subject already has a message."""
