"""Longboat: Kubernetes in Python."""
