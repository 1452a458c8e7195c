"""What nobody sees in a text.

Layout:
    ``payloads``    finds data that is hidden for the model and not for readers
    ``characters``  a text without its invisible characters that mean nothing
    ``cleaning``    a request whose texts are without them

A scanner's process needs only the first, so this package imports nothing else.
"""

from stile_filter.guard.hidden.payloads import HiddenText, payload

__all__ = ["HiddenText", "payload"]
