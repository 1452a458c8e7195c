"""Runs Stile on one machine, and looks at it."""
