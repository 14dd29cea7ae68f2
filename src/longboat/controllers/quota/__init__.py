"""Counts what namespaces use of what they may have."""
