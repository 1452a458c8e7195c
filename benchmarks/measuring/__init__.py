"""What the benchmarks measure with: load, hops, and the description of the machine."""
