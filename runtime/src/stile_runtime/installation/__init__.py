"""The files of an installation: how they are replaced, and what they hold."""
