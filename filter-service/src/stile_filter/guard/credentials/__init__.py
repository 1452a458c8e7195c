"""Credentials in a text: tokens of known forms, and passwords and keys that are assigned to a name.

Layout:
    ``formats``      tokens that are known by their form: AWS, GitHub, Slack, private keys and others
    ``assignments``  ``POSTGRES_PASSWORD: …`` and the like, connection strings, headers, command lines
    ``values``       tells a credential from a placeholder, a variable, code and prose
    ``scanner``      both as a scanner in LLM-Guard's form

Nothing here measures entropy, so a digest, a lock file's checksum or a UUID is no credential by itself.
"""

from stile_filter.guard.credentials.scanner import Credential, Credentials, credential

__all__ = ["Credential", "Credentials", "credential"]
