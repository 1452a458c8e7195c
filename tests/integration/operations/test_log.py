"""The log of what happened: what the whole system writes into it, and who reads it."""
