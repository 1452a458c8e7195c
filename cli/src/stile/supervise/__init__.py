"""Starts the parts, keeps them alive and stops them."""
