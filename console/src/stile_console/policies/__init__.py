"""The policy's file, and what the filter says of it."""
