"""The node's own port: logs, exec, attach, port-forward, metrics; for the API server only."""
