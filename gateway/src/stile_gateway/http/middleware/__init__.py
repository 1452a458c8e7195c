"""The ASGI middleware of all requests."""
