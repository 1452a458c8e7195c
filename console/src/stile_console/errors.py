"""What ends a request of the page: one sentence for people, a code for programs, and an HTTP status.

ConsoleError
├── OriginError        403  the request was sent to another name, or by another site's page
├── SignInError        401  there is no session, or the token or key does not open one
├── InvalidError       422  what was sent can't be used
├── TooLargeError      413  the body is too large
├── ConflictError      409  the file was changed by somebody else, or a name is taken
├── NotFoundError      404  there is no such thing
├── FileError          500  a file of the owner's can't be read or written
└── UnavailableError   503  the bus or the filter does not answer
"""

from typing import ClassVar


class ConsoleError(Exception):
    """The root; each kind has one status and one code."""

    status: ClassVar[int]
    code: ClassVar[str]


class OriginError(ConsoleError):
    """The request was sent to another name, or by another site's page."""

    status = 403
    code = "wrong_origin"


class SignInError(ConsoleError):
    """There is no session, or the token or key does not open one."""

    status = 401
    code = "sign_in_needed"


class InvalidError(ConsoleError):
    """What was sent can't be used; the message says what and why."""

    status = 422
    code = "invalid_request"


class TooLargeError(ConsoleError):
    """The body is too large."""

    status = 413
    code = "too_large"


class ConflictError(ConsoleError):
    """The file was changed by somebody else in the meantime, or a name is taken."""

    status = 409
    code = "conflict"


class NotFoundError(ConsoleError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class FileError(ConsoleError):
    """A file of the owner's can't be read or written."""

    status = 500
    code = "file_error"


class UnavailableError(ConsoleError):
    """The bus or the filter does not answer."""

    status = 503
    code = "unavailable"
