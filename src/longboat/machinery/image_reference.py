"""References to images: `[host[:port]/]name[:tag][@digest]` (distribution/reference)."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_NAME = 255
_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?/"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST})?{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?", re.ASCII
)
LONGEST = LONGEST_NAME + 1024  # longer ones are not looked at


class Reference(NamedTuple):
    name: str
    tag: str  # "" for none
    digest: str


def parse(text: str) -> Reference | None:
    """None for what is no reference."""
    found = _REFERENCE.fullmatch(text) if len(text) <= LONGEST else None
    if found is None or len(found["name"]) > LONGEST_NAME:
        return None
    return Reference(found["name"], found["tag"] or "", found["digest"] or "")
