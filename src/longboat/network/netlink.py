"""pyroute2, which has no types, in one place. Importing it costs a sixth of a second and 14 MiB: only nodes need it."""

from __future__ import annotations

from typing import Any

import pyroute2
from pyroute2.netlink.exceptions import NetlinkError

IPRoute: Any = pyroute2.IPRoute  # type: ignore[attr-defined]

__all__ = ["IPRoute", "NetlinkError"]
