"""The decision: the owner's policy, the texts of a request, and every rule."""
