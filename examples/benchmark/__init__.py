"""The benchmark: fnmlp and its peers on the same work in one run, `python examples/benchmark --help`."""
