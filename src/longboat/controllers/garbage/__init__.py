"""Garbage collection: what owners leave behind goes after them. `graph` is pure, `collector` acts on it."""
