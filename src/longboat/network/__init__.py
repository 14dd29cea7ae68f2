"""Programming the kernel's network: service proxy, overlay, DNS, ingress, policy.

Never: an API write that is not status.
"""
