"""nats-server: its configuration, its streams, and connections to it."""
