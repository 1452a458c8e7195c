"""The state of each part."""
