"""Commands that show the owner what happens, and stop it for a while."""
