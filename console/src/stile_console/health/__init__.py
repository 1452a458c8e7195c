"""How each part fares."""
