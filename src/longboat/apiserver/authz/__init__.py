"""May they: authorizers, and the RBAC bootstrap policy."""
