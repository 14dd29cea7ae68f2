"""Asyncio building blocks: clock, tasks, queues, backoff.

Belongs: anything about time and concurrency. Never: a Kubernetes word.
"""
