"""NetworkPolicies, enforced on the node: which pods may speak with which. The rules are pure functions."""
