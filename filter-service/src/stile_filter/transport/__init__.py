"""NATS: what is received, in which order it is handled, and what is sent."""
