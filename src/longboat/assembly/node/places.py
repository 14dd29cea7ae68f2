"""Where a node keeps what is nobody's setting."""

from __future__ import annotations

from pathlib import Path

INGRESS = Path("/run/longboat/ingress")  # in memory: private keys lie there
CNI_STATE = Path("/var/lib/cni/networks")  # of the host-local plugin
