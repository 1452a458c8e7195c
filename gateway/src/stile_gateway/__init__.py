"""HTTP in, one NATS request out, the reply back. Knows no policy and no model."""
