"""The clusters of the end-to-end tests, for entries that need real containers."""

from __future__ import annotations

from e2e.conftest import cluster, images, namespace

__all__ = ["cluster", "images", "namespace"]
