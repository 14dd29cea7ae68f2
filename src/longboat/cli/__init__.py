"""Commands: flags and wiring only. May import everything; nothing imports it."""
