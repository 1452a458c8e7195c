"""Header names of Stile's NATS messages. Values are ASCII."""

CHAT_ID = "Chat-Id"
"""The request's id, a UUID in lower case; set by the gateway or the filter, never by a client."""

CHAT_KEY = "Chat-Key"
"""The client's own idempotency key; with the client's name it determines the id."""

CHAT_CLIENT = "Chat-Client"
"""Who asks; from the gateway the filter takes it as it is, for others it is the account's name."""

CHAT_LANE = "Chat-Lane"
"""``interactive`` or ``batch``."""

CHAT_DEADLINE = "Chat-Deadline"
"""When the answer is of no use any more: milliseconds since the Unix epoch, UTC."""

CHAT_REPLY_TO = "Chat-Reply-To"
"""Where the answer goes; JetStream keeps no reply subject, so it travels here (DESIGN, decision 5)."""

CHAT_EVENTS = "Chat-Events"
"""What the requester wants to hear: ``none`` (the final reply alone), ``state`` or ``token``; or
``accepted``, and nothing after it."""

CHAT_RESPOND = "Chat-Respond"
"""``now``, or ``later``: the requester hears ``accepted`` alone, and asks for the outcome itself."""

CHAT_EVENT = "Chat-Event"
"""Which event a reply message is, as ``messages.EventKind`` names it."""

CHAT_ATTEMPT = "Chat-Attempt"
"""Which delivery of the request speaks, from 1; 0 is the filter. A higher one resets the lower."""

CHAT_SEQ = "Chat-Seq"
"""The number of this event within its attempt, from 0; on ``done`` it is the count of those before.
``position`` has none: each replaces the one before, and a lost one is no gap."""

CHAT_BODY_SHA256 = "Chat-Body-SHA256"
"""SHA-256 of the client's body, lower-case hex: tells a repeat from another request under its key."""

CHAT_POLICY = "Chat-Policy"
"""The version of the policy that approved the request: the first 12 hex digits of its SHA-256."""

CHAT_SIGNATURE = "Chat-Signature"
"""The filter's signature over what it approved: Ed25519, base64url without padding."""

CHAT_SIGNING_KEY = "Chat-Signing-Key"
"""Which of the filter's keys has signed: the first 16 hex digits of the public key's SHA-256."""

CHAT_DEAD_REASON = "Chat-Dead-Reason"
"""On a dead letter: why the request was given up, as ``errors.ErrorCode`` names it."""

CHAT_DEAD_AT = "Chat-Dead-At"
"""On a dead letter: when it was given up, in milliseconds since the Unix epoch, UTC."""

TRACEPARENT = "traceparent"
"""W3C trace context, carried on unchanged."""

NATS_ERROR_CODE = "Nats-Service-Error-Code"
"""ADR-32: the error's HTTP status."""

NATS_ERROR = "Nats-Service-Error"
"""ADR-32: the error's ``code``, a constant, so that no text of a client stands in a header."""

NATS_SEQUENCE = "Nats-Sequence"
"""JetStream: on a message that was read from a stream, its number there."""

NATS_SUBJECT = "Nats-Subject"
"""JetStream: on a message that was got directly, its subject in the stream."""

NATS_EXPECTED_LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
"""JetStream: with ``0`` the publish fails (10071) where the subject holds a message already."""
