"""Admission webhooks: who is asked about which request, how, and what follows from the answer."""
