"""Stile's own API: ``/chat``, with its events by name and streams that can go on."""
