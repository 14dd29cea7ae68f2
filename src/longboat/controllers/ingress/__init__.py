"""Ingress: where it can be reached. Serving it is the nodes' (network.ingress)."""
