# /// script
# requires-python = ">=3.11"
# dependencies = ["llm==0.36"]
# ///
"""The `llm` CLI in an environment of its own: ``uv run --locked llm_client.py`` and llm's own arguments."""

from llm.cli import cli

cli()
