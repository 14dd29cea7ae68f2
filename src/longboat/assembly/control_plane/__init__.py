"""A control plane put together: storage, API server with its ways to nodes, controllers and scheduler."""
