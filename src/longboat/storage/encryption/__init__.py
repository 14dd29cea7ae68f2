"""Encryption at rest, in upstream's byte formats: which keys seal what, and a storage that seals and opens values.

Belongs: ciphers, providers, the EncryptionConfiguration file, KMS. Never: where sealed values are kept.
"""
