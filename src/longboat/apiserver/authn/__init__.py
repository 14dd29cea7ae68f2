"""Who is asking: each authenticator turns a credential into a user."""
