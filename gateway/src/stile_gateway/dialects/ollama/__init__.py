"""Ollama's API: ``/api/chat``, ``/api/generate``, and what is asked about models."""
