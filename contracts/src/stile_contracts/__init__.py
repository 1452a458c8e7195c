"""What the gateway, the filter and the worker agree on: subjects, headers, messages, errors.

Layout:
    ``subjects``     the names on the bus: written and read only here
    ``headers``      header names
    ``ids``          how a request gets its id
    ``messages``     bodies: request, approved request, reply, events, heartbeat
    ``models``       a model's name as a part of a subject
    ``signing``      the text that the filter signs
    ``strict_json``  JSON that every reader understands in the same way
    ``errors``       the closed set of errors, each with its HTTP status
    ``export``       writes the JSON Schemas in ``contracts/schemas``

The worker defines the same in Rust. The fixtures in ``contracts/fixtures`` keep the two equal.
"""
