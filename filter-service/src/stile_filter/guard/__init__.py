"""What decides whether a text may pass."""
