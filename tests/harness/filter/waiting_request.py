"""One approved request of a direct client, as it lies in CHAT."""

from uuid import UUID

from stile_contracts import subjects

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
LANE = subjects.Lane.BATCH
SUBJECT = subjects.approved(LANE, "alice", ID)
FINISHED = subjects.finished(LANE, "alice", ID)
REPLY_TO = "_R_.requester.1"
HEADERS = {
    "Chat-Id": str(ID),
    "Chat-Client": "alice",
    "Chat-Lane": "batch",
    "Chat-Deadline": "9999999999999",
    "Chat-Events": "none",
    "Chat-Reply-To": REPLY_TO,
    "Chat-Body-SHA256": "ab" * 32,
    "Chat-Policy": "0" * 12,
}
