"""A request on its way to the decision, and what becomes of it."""
