"""Decides which chat requests may reach the model."""
