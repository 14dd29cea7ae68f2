"""What an image reference says about pulling."""

from __future__ import annotations


def tag(reference: str) -> str:
    """The tag of an image reference: `latest` where it has neither tag nor digest, "" where it has a digest only."""
    if not reference:
        return ""
    name, at, _ = reference.partition("@")
    last = name.rpartition("/")[2]
    _, colon, found = last.partition(":")
    if colon:
        return found
    return "" if at else "latest"


def pull_policy(reference: str) -> str:
    """The default imagePullPolicy for an image."""
    return "Always" if tag(reference) == "latest" else "IfNotPresent"
