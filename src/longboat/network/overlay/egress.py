"""The world outside for a local cluster: an nftables table per IP family and forwarding, all put back when it goes."""

from __future__ import annotations

import json
from pathlib import Path

from longboat.api.families import split
from longboat.network.families import FAMILIES, family
from longboat.network.overlay import host
from longboat.network.overlay.bridge import bridge_name

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def table_name(cluster: str) -> str:
    return f"longboat-{cluster}"


def ruleset(cluster: str, node_cidr: str) -> str:
    """nft commands that make the tables anew: what leaves the bridge for elsewhere takes the host's address."""
    table, bridge = table_name(cluster), bridge_name(cluster)
    return "".join(
        f"""add table {ip} {table}
delete table {ip} {table}
table {ip} {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    {ip} saddr {cidr} {ip} daddr != {cidr} oifname != "{bridge}" masquerade
  }}
}}
"""
        for cidr in split(node_cidr)
        for ip in (family(cidr).word,)
    )


def removal(cluster: str, node_cidr: str) -> str:
    """nft commands after which the tables are not there, whether they were or not."""
    table = table_name(cluster)
    words = [each.word for each in FAMILIES if each in map(family, split(node_cidr))]
    return "".join(f"add table {ip} {table}\ndelete table {ip} {table}\n" for ip in words)


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


def forward6(record: Path) -> None:
    """Let the host forward IPv6 packets, and go on to take its routes from routers, noting what it did before."""
    name = f"{host.CONF6}/all/forwarding"
    if not record.exists():
        before = {name: (host.SYS / name).read_text().strip()}
        record.write_text(json.dumps(before))
        record.write_text(json.dumps(before | host.go_on_with_advertised_routes()))
    (host.SYS / name).write_text("1\n")


def restore6(record: Path) -> None:
    """Put back what `forward6` noted."""
    if record.exists():
        for name, value in json.loads(record.read_text()).items():
            path = host.SYS / name
            if path.exists():  # an interface may have gone
                path.write_text(value + "\n")
        record.unlink()
