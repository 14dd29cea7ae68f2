"""Typed views of kinds and their pure semantics, one module per API group. Never: I/O, or a component's decision."""
