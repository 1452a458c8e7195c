"""What happened: the log of facts, as far as it is in memory."""
