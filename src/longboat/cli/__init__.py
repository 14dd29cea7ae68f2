"""Commands: flags, and what they do on this machine. May import everything; only tests import it."""
