"""The link that opens the console."""

from pathlib import Path

from stile.errors import CredentialsError
from stile.settings import authority
from stile_runtime.installation import console_tokens


def link(host: str, port: int, tokens: Path) -> str:
    """Make a link that opens the console once. The token is in the fragment, which no browser sends.

    Args:
        host: what the console listens on.
        port: of the console.
        tokens: the file of the tokens' digests.

    Raises:
        CredentialsError: the file can't be read or written.
    """
    try:
        token = console_tokens.make(tokens)
    except OSError as error:
        raise CredentialsError(f"{tokens} cannot be written: {error.strerror}") from error
    return f"http://{authority(host, port)}/#token={token}"
