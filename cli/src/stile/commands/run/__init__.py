"""The commands that run an installation and look at it."""
