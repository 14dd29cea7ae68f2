"""Admission plugins, run in one order around the store's validation."""
