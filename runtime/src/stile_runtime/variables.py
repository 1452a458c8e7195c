"""The ``STILE_…`` variables: their names, and the error of one that can't be used.

Apart from ``settings``, so that a command of `stile` can have it without the 0.3 s that pydantic-settings
takes to import.
"""

from collections.abc import Iterable, Iterator

PREFIX = "STILE_"

# Of all programs, because one environment is often that of several. docs/configuration.md and docs/docker.md
# describe them; tests/contract/test_variables.py compares.
KNOWN = frozenset(
    f"{PREFIX}{name}"
    for name in [
        "ACCEPT_TIMEOUT",
        "ANSWER_CHECK_SECONDS",
        "ANSWER_TIMEOUT",
        "API_KEY",
        "API_KEYS",
        "APPROVAL_KEYS",
        "ARCHIVE",
        "CONCURRENCY",
        "CONSOLE",
        "CONSOLE_HOST",
        "CONSOLE_HOSTS",
        "CONSOLE_PORT",
        "CONSUMER_HOST",
        "CONSUMER_PORT",
        "CONTEXT",
        "CORS_ORIGINS",
        "FILTER_HOST",
        "FILTER_MEMORY",
        "FILTER_PORT",
        "GATEWAY_URL",
        "GUARD_MODELS",
        "HOME",
        "HOST",
        "HOSTS",
        "KEEP_ALIVE_SECONDS",
        "LLAMA_GONE_SECONDS",
        "LLAMA_KEY",
        "LLAMA_KEY_FILE",
        "LLAMA_PORT",
        "LLAMA_URL",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAX_BODY_BYTES",
        "MAX_HEADER_BYTES",
        "MAX_HELD_BYTES",
        "MAX_IN_FLIGHT",
        "MAX_MESSAGES",
        "MAX_MESSAGE_CHARS",
        "MAX_PROMPT_CHARS",
        "MODEL",
        "MODELS_DIR",
        "MODEL_MEMORY",
        "MODEL_NAME",
        "NATS_CLUSTER_CA",
        "NATS_CLUSTER_CERT",
        "NATS_CLUSTER_KEY",
        "NATS_CLUSTER_LISTEN",
        "NATS_HOST",
        "NATS_LEAF_CERT",
        "NATS_LEAF_CLIENT_CA",
        "NATS_LEAF_KEY",
        "NATS_LEAF_LISTEN",
        "NATS_LINK_CA",
        "NATS_LINK_CERT",
        "NATS_LINK_KEY",
        "NATS_LISTEN",
        "NATS_MONITOR",
        "NATS_MONITOR_PORT",
        "NATS_NAME",
        "NATS_NKEY_FILE",
        "NATS_PORT",
        "NATS_REPLICAS",
        "NATS_ROUTES",
        "NATS_SERVER_CERT",
        "NATS_SERVER_CLIENT_CA",
        "NATS_SERVER_KEY",
        "NATS_SITE_CERT",
        "NATS_SITE_CLIENT_CA",
        "NATS_SITE_KEY",
        "NATS_STORE",
        "NATS_TLS_CA",
        "NATS_TLS_CERT",
        "NATS_TLS_KEY",
        "NATS_URL",
        "POLICY",
        "POLICY_DIR",
        "POLICY_TARGET",
        "PORT",
        "PROMPT_CACHE",
        "PUBLIC_URL",
        "REGISTRY",
        "ROOT",
        "SHUTDOWN_SECONDS",
        "SIGNING_KEY",
        "SLOT_SECONDS",
        "THREADS",
        "TRUSTED_PROXIES",
        "UNHEARD_TIMEOUT",
        "VERSION",
        "WHEELS",
    ]
)


class SettingsError(Exception):
    """A variable can't be used. The message is one line: its name and why, never its value."""


def variable(field: str) -> str:
    """Return the name of a field's environment variable."""
    return PREFIX + field.upper()


def unknown(names: Iterable[str]) -> Iterator[str]:
    """Say of each variable that looks like Stile's, but is none, that it is ignored, and what is near."""
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in KNOWN:
            near = _nearest(name)
            yield f"{name} is no variable of Stile, and is ignored" + (f": is it {near}?" if near else "")


def _nearest(name: str) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 -- seldom needed

    swapped = [known for known in KNOWN if sorted(known) == sorted(name)]
    return next(iter([*swapped, *get_close_matches(name, sorted(KNOWN), n=1, cutoff=0.75)]), None)
