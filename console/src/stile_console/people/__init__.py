"""The keys, and what their clients have used."""
