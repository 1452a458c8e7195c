"""TLS on the connections to nats-server: what each Python part makes of its three variables.

nats-py takes a server's word that it speaks no TLS, so whoever sits in between could have the connection go
on in plain text. With ``tls_handshake_first`` it is never asked: give it together with the context.
"""

import ssl
from pathlib import Path


def client_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Make what proves the two sides to one another, or None where nothing is set: then there is no TLS.

    Args:
        ca: who vouches for nats-server, PEM; the system's authorities where it is not set.
        cert: this part's own certificate, PEM, where nats-server asks for one (mutual TLS).
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
