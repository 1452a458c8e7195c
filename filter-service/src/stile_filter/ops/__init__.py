"""What keeps the process running, and shows how it does."""
