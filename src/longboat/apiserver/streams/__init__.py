"""Long-lived upgraded connections: exec, attach, port-forward, proxy."""
