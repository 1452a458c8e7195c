"""The use cases: send a request and wait for its answer, ask for its status, cancel it. No framework."""
