"""The routes, and what each answer carries."""
