"""The world outside for a local cluster: one nftables table and ip_forward, both put back when it goes."""

from __future__ import annotations

from pathlib import Path

from longboat.network.overlay.bridge import bridge_name

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def table_name(cluster: str) -> str:
    return f"longboat-{cluster}"


def ruleset(cluster: str, node_cidr: str) -> str:
    """nft commands that make the table anew: what leaves the bridge for elsewhere takes the host's address."""
    table, bridge = table_name(cluster), bridge_name(cluster)
    return f"""add table ip {table}
delete table ip {table}
table ip {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {node_cidr} ip daddr != {node_cidr} oifname != "{bridge}" masquerade
  }}
}}
"""


def removal(cluster: str) -> str:
    """nft commands after which the table is not there, whether it was or not."""
    table = table_name(cluster)
    return f"add table ip {table}\ndelete table ip {table}\n"


def forward(record: Path) -> None:
    """Let the host forward packets, noting in `record` what it did before."""
    if not record.exists():
        record.write_text(FORWARD.read_text())
    FORWARD.write_text("1\n")


def restore(record: Path) -> None:
    """Put back what `forward` noted."""
    if record.exists():
        FORWARD.write_text(record.read_text())
        record.unlink()
