"""The owner's page: it shows what happens, and changes the owner's files."""
