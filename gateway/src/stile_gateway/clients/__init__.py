"""The clients: who they are, and what each may have."""
