"""OpenAI's text completions, for old clients: ``/v1/completions``."""
