"""The HTTP routes: they read the request, ask, and write the answer; nothing is decided here."""
