"""The options that several commands share."""

from typing import Annotated

import typer

NatsUrl = Annotated[
    str | None, typer.Option(envvar="STILE_NATS_URL", help="nats-server; default: the one here.")
]
