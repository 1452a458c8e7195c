"""Who may use the console."""
