"""Multiplexed streams over one connection: the asyncio side of the codecs in machinery.streams."""
