"""Service: one name and address for many pods."""
