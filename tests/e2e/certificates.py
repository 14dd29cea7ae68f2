"""Certificates that tests hand out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "hello" / "certificate.py"


def self_signed(folder: Path, name: str, host: str) -> tuple[Path, Path]:
    """Files of a certificate for a host, and of its key."""
    files = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run([sys.executable, SCRIPT, host, *files], check=True)
    return files
