"""The only way a component reaches the API: transports, typed client, informers, events.

Never: a component's decision.
"""
