"""The HTTP/1.1 server of this house: of the API, of a node's port, of health ports. Strict, and bounded in everything.

Never: what is asked, or who may ask it.
"""
