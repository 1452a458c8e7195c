"""The keys and secrets of an installation, in files."""
