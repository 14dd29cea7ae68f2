"""Conversion webhooks (apiextensions.k8s.io CustomResourceConversion): who makes one version of custom objects another.

Never: when objects have to be converted (`registry/custom.py`, `registry/conversion.py`).
"""
