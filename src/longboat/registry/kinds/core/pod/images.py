"""What an image reference says about pulling."""

from __future__ import annotations

from longboat.machinery import image_reference


def tag(reference: str) -> str:
    """The tag of an image reference: `latest` where it has neither tag nor digest, "" where it has a digest only or is
    no reference."""
    found = image_reference.parse(reference)
    return "" if found is None else found.tag or ("" if found.digest else "latest")


def pull_policy(reference: str) -> str:
    """The default imagePullPolicy for an image."""
    return "Always" if tag(reference) == "latest" else "IfNotPresent"
