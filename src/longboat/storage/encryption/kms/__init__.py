"""KMS v2: values are sealed with a seed that a service, behind a Unix socket, seals with a key we never see (KEP-3299).

Belongs: what is stored, when seeds change, talking to the service. Never: the service.
"""
