"""SQLite in a small process of its own: the store process, what it speaks, and the client.

Belongs: one database file and who may touch it. Never: asyncio in the store process (it costs a third of its memory).
"""
