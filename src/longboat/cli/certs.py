"""`longboat certs`: what the certificates of a cluster say, and new ones for old."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longboat.cli import flags, registry, status
from longboat.cli.api import api_of
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag

if TYPE_CHECKING:
    from longboat.cli.certificates import Found

ACTIONS = ("show", "rotate")


@dataclass(frozen=True)
class Options:
    """show: every certificate of the control plane and its nodes, or of a node's data directory. rotate: new keys and
    certificates for all but the authorities, while everything runs.
    """

    action: str = flag("", "show or rotate", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat certs")
    if options.action not in ACTIONS:
        raise Usage("say: longboat certs show, or longboat certs rotate")
    root = registry.data_dir(options.name, options.data_dir)
    if not (root / "pki").is_dir():
        raise Failure(f"there is no cluster in {root}", "Start one: longboat up, or longboat server")
    as_json = options.output == "json"
    if options.action == "show":
        return _show(root, as_json=as_json)
    from longboat.cli.certificate_rotation import rotate

    return rotate(root, as_json=as_json)


def _show(root: Path, *, as_json: bool) -> int:
    from longboat.aio.clock import SystemClock
    from longboat.cli.certificates import Found, gathered, port_of, shown

    found, unseen = gathered(root), []
    known = {each.certificate: each for each in found}
    api, look = api_of(root), cache(shown)
    for node in api.listed("/api/v1/nodes") if api else ():
        place, name = port_of(node), node["metadata"]["name"]
        try:
            if place is None:
                raise OSError("it has told no address")
            certificate = look(*place)
        except OSError as error:
            unseen.append(f"node {name} does not show its certificate: {error}")
            continue
        if certificate not in known:
            known[certificate] = Found(certificate)
            found.append(known[certificate])
        known[certificate].places.append(f"node {name}")
    now = SystemClock().now()
    if as_json:
        print(json.dumps([_described(each, now) for each in found], indent=2))
        return 0
    rows = [("CERTIFICATE", "SUBJECT", "ISSUER", "USE", "EXPIRES", "")]
    rows += [
        (
            each.places[0], each.subject, each.issuer, ", ".join(each.uses),
            f"{each.certificate.not_valid_after_utc:%Y-%m-%d}", _left(each.days_left(now)),
        )
        for each in found
    ]  # fmt: skip
    print("\n".join(status.columns(rows)))
    print("".join(f"\n{text}" for text in unseen), end="\n" if unseen else "")
    return 0


def _described(found: Found, now: datetime) -> dict[str, Any]:
    certificate = found.certificate
    return {
        "places": found.places, "subject": found.subject, "issuer": found.issuer, "usages": found.uses,
        "names": found.names, "serial": f"{certificate.serial_number:x}",
        "notBefore": certificate.not_valid_before_utc.isoformat(),
        "notAfter": certificate.not_valid_after_utc.isoformat(), "daysLeft": found.days_left(now),
    }  # fmt: skip


def _left(days: int) -> str:
    return "HAS EXPIRED" if days < 0 else f"{days} day{'' if days == 1 else 's'}"
