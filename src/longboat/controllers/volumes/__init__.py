"""Persistent volumes: binding, protecting, provisioning, attaching and growing them. Mounting is the node's affair."""
