"""Asking the model from a terminal: over HTTP or over NATS, one question or a conversation."""
