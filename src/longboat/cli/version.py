"""`longboat version`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from longboat.cli import flags
from longboat.cli.flags import flag


@dataclass(frozen=True)
class Options:
    """Print the version of Longboat."""

    output: str = flag("text", "text or json", choices=("text", "json"))


def own_version() -> str:
    try:
        return version("longboat")
    except PackageNotFoundError:
        return "0+source"  # run from a checkout that was not installed


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat version")
    if options.output == "json":
        print(json.dumps({"longboat": own_version(), "kubernetes": "v1.36"}))
    else:
        print(f"longboat {own_version()} (Kubernetes v1.36)")
    return 0
