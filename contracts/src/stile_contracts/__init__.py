"""What the gateway, the filter-service and the consumer agree on: subjects, headers, messages, errors.

Layout:
    ``subjects``  the names on the bus, made and read in one place
    ``headers``   header names
    ``ids``       how a request gets its id
    ``messages``  bodies: request, approved request, reply, events, heartbeat
    ``strict_json``  what several readers of JSON must read alike
    ``errors``    the closed set of errors, each with its HTTP status
    ``export``    writes the JSON Schemas in ``contracts/schemas``

The consumer holds the same in Rust; the fixtures in ``contracts/fixtures`` hold the two together.
"""
