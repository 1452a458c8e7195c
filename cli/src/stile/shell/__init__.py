"""How the commands look: their list, their help, what they print, how they read variables."""
