"""Kinds of autoscaling (v2, and v1 as a view of it)."""
