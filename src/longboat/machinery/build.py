"""What was built and runs here, in the words of upstream's `version.Info`. Pure."""

from __future__ import annotations

import platform
import re

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # as Go names them


def info(git_version: str) -> dict[str, str]:
    """By the names of the metric kubernetes_build_info's labels."""
    found = re.match(r"v(\d+)\.(\d+)", git_version)
    return {
        "major": found[1] if found else "",
        "minor": found[2] if found else "",
        "git_version": git_version,
        "git_commit": "",
        "git_tree_state": "clean",
        "build_date": "1970-01-01T00:00:00Z",
        "go_version": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{MACHINES.get(platform.machine(), platform.machine())}",
    }
