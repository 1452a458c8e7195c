"""The log of what happened, in memory."""

from stile_contracts import headers
from stile_contracts.messages import LogRecord
from stile_filter.requests.chat_log import ChatLog


class Records:
    """Receives what a filter writes into the log, and keeps it as CHAT_LOG does: by subject."""

    def __init__(self, **options):
        self.by_subject = {}
        self.written = 0
        self.log = ChatLog(self._publish, **options)

    def __iter__(self):
        return iter(self.by_subject.values())

    async def _publish(self, subject, body, message_headers):
        self.written += 1
        record = LogRecord.model_validate_json(body)
        if message_headers:
            assert message_headers == {headers.NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: "0"}
            self.by_subject.setdefault(subject, record)
        else:
            self.by_subject[subject] = record
