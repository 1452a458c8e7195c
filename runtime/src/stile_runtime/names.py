"""Names that more than one program uses, in a module that imports nothing."""

KEY_FILE = "api-keys.json"
"""The API keys' file in an installation's folder (``STILE_HOME``)."""
KEY_PREFIX = "sk-stile-"
"""What every API key begins with, so that scanners for secrets can find a key that was leaked."""
