"""What the kubelet takes where nobody has said anything (KubeletConfiguration, evictionHard).

For the supervisor too, which is to stay small: nothing is imported here that it would not need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEFAULT_HARD: Final[Mapping[str, str]] = {
    "memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%",
    "imagefs.available": "15%", "imagefs.inodesFree": "5%",
}  # fmt: skip
