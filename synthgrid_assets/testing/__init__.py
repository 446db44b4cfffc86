"""Contract suites: what every new process, input, product, store or executor must pass."""
