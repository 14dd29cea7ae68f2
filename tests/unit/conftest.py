"""Here a cluster is one in this process (`suites/scenes.py`)."""

from suites.scenes import cluster

__all__ = ["cluster"]
