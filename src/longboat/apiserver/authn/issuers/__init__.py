"""Tokens that others sign: JWTs of OpenID Connect issuers, as an AuthenticationConfiguration tells (KEP-3331)."""
