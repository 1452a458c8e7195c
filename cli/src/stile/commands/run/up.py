"""`stile up`: starts every part, and stops them all when it ends."""


def up() -> None:
    """Start everything: nats-server, llama.cpp, the filter, the consumer and the gateway.

    It runs in the foreground; Ctrl-C stops everything, a second one kills it.
    """
    from stile.home import find_home, find_root  # noqa: PLC0415 -- `stile up --help` needs nothing of all this
    from stile.settings import Settings  # noqa: PLC0415
    from stile.supervise.launch import launch  # noqa: PLC0415
    from stile.supervise.terminal import Terminal  # noqa: PLC0415

    settings = Settings.load()
    launch(settings, find_root(settings), find_home(settings), Terminal())
