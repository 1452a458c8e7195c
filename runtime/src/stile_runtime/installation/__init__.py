"""The files of an installation: how they are replaced, and what they hold."""

POLICY_FILE = "policy.yml"
"""The name of the owner's policy in an installation's folder (``STILE_HOME``)."""
