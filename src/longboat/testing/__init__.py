"""A cluster inside one process for tests: virtual clock, simulated nodes. May import everything."""
