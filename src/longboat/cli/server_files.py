"""What a cluster of this machine tells its API server by flags and files: checked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.flags import flag
from longboat.cli.server import check_plugins


@dataclass(frozen=True)
class Flags:
    """What `longboat up` passes on to the cluster's API server."""

    enable_admission_plugins: list[str] = flag([], "as `longboat server` has it (default: as it was)")
    disable_admission_plugins: list[str] = flag([], "as `longboat server` has it (default: as it was)")
    admission_control_config_file: str | None = flag(
        None, "as `longboat server` has it (default: as it was; empty: none)"
    )


def said(options: Flags) -> dict[str, Any]:
    """Settings of the cluster that the flags change: naming plugins again replaces both lists. Raises Usage."""
    found: dict[str, Any] = {}
    check_plugins(options.enable_admission_plugins, options.disable_admission_plugins)
    if options.enable_admission_plugins or options.disable_admission_plugins:
        found["enabled_plugins"] = ",".join(options.enable_admission_plugins)
        found["disabled_plugins"] = ",".join(options.disable_admission_plugins)
    if options.admission_control_config_file is not None:
        found["admission_config"] = _absolute(options.admission_control_config_file)
    return found


def check(cluster: Cluster) -> None:
    """See that the files can be used. Raises Usage."""
    if not (cluster.admission_config or cluster.enabled_plugins):
        return
    from longboat.apiserver.admission import catalog, configuration
    from longboat.machinery.configfile import BadConfiguration

    file = Path(cluster.admission_config) if cluster.admission_config else None
    try:
        configuration.load(file, catalog.running(_names(cluster.enabled_plugins), _names(cluster.disabled_plugins)))
    except BadConfiguration as error:
        raise Usage(f"--admission-control-config-file: {error}") from error


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if name else ""


def _names(listed: str) -> list[str]:
    return listed.split(",") if listed else []
