"""The TLS of a connection to nats-server, made of three variables; ``connection`` uses it."""

import ssl
from pathlib import Path


def client_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Make the context of both sides' certificates, or None if nothing is set: then there is no TLS.

    Args:
        ca: the authorities that nats-server's certificate may come from, PEM; by default the
            system's.
        cert: this program's own certificate, PEM, if nats-server asks for one (mutual TLS).
        key: the certificate's key, PEM.

    Raises:
        ValueError: a file can't be used; the message names the variable.
    """
    if ca is cert is key is None:
        return None
    if (cert is None) is not (key is None):
        raise ValueError("set both STILE_NATS_TLS_CERT and STILE_NATS_TLS_KEY, or neither")
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError("STILE_NATS_TLS_CA: it holds no certificates") from error
    if cert is not None:
        try:
            context.load_cert_chain(cert, key)
        except OSError as error:
            raise ValueError(
                "STILE_NATS_TLS_CERT, STILE_NATS_TLS_KEY: they are no certificate and its key"
            ) from error
    return context
