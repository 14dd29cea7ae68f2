"""Whether packets may go between this machine's loopback address and its pods (the kernel's `route_localnet`).

A host port that the node asks at 127.0.0.1 needs it, on the pods' bridge alone. Without more it would open to the pods
what listens at loopback (CVE-2020-8558): the chain `no-loopback` of the rules keeps out what comes for it. So it is on
only while there are host ports and those rules are known to be in the kernel.
"""

from __future__ import annotations

from pathlib import Path

from longboat.network.overlay.cni import BRIDGE

SETTING = Path("/proc/sys/net/ipv4/conf") / BRIDGE / "route_localnet"


def lead_out(wanted: bool, setting: Path = SETTING) -> None:
    """Set it if it is not as wanted. Where there is no bridge there are no pods. Raises OSError."""
    value = str(int(wanted))
    if setting.exists() and setting.read_text().strip() != value:
        setting.write_text(value)
