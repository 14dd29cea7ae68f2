"""Probes and lifecycle hooks."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

SCHEMES = ("HTTP", "HTTPS")
SIGNALS = {
    "windows": ("SIGKILL", "SIGTERM"),
    "linux": (
        *(f"SIG{name}" for name in (
            "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
            "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
            "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
        )),
        *(f"SIGRTMIN+{number}" for number in range(1, 16)),
        *(f"SIGRTMAX-{number}" for number in range(1, 15)),
    ),
}  # fmt: skip
KINDS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def action(found: Object, grace: int | None, path: Path, err: Errors) -> None:
    """What to do: exactly one of the kinds of actions."""
    given = [kind for kind in KINDS if found.get(kind) is not None]
    for i, kind in enumerate(given):
        if i:
            err.forbidden(path.at(kind), "may not specify more than 1 handler type")
        else:
            _one(kind, found[kind], grace, path.at(kind), err)
    if not given:
        err.required(path, "must specify a handler type")


def _one(kind: str, found: Object, grace: int | None, path: Path, err: Errors) -> None:
    match kind:
        case "exec":
            if not found.get("command"):
                err.required(path.at("command"))
        case "httpGet":
            if not found.get("path"):
                err.required(path.at("path"))
            rules.port_or_name(found.get("port"), path.at("port"), err)
            if found.get("scheme") not in SCHEMES:
                err.not_supported(path.at("scheme"), found.get("scheme") or "", SCHEMES)
            for header in found.get("httpHeaders") or ():
                value = header.get("name") or ""
                err.extend(path.at("httpHeaders"), names.http_header(value), value)
        case "tcpSocket":
            rules.port_or_name(found.get("port"), path.at("port"), err)
        case "grpc":
            rules.port(found.get("port") or 0, path.at("port"), err)
        case "sleep":
            seconds = found.get("seconds") or 0
            if grace is not None and not 0 <= seconds <= grace:
                why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                err.invalid(path, seconds, why)


def lifecycle(found: Object | None, spec: Object, path: Path, err: Errors) -> None:
    """`spec` is the pod's."""
    if not found:
        return
    for hook in ("postStart", "preStop"):
        if found.get(hook) is not None:
            action(found[hook], spec.get("terminationGracePeriodSeconds"), path.at(hook), err)
    if (signal := found.get("stopSignal")) is not None:
        _stop_signal(signal, spec.get("os"), path.at("stopSignal"), err)


def _stop_signal(signal: str, system: Object | None, path: Path, err: Errors) -> None:
    """KEP-4960."""
    allowed = SIGNALS.get((system or {}).get("name") or "", (signal,))
    if system is None:
        err.forbidden(path, "may not be set for containers with empty `spec.os.name`")
    elif signal not in allowed:
        err.not_supported(path, signal, allowed)


def probe(found: Object | None, grace: int | None, path: Path, err: Errors) -> None:
    if found is None:
        return
    action({kind: value for kind, value in found.items() if kind != "sleep"}, grace, path, err)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        rules.not_negative(found.get(field), path.at(field), err)
    own = found.get("terminationGracePeriodSeconds")
    if own is not None and own <= 0:
        err.invalid(path.at("terminationGracePeriodSeconds"), own, "must be greater than 0")


def probes(container: Object, grace: int | None, path: Path, err: Errors) -> None:
    """The three probes of a container."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (found := container.get(name)) is None:
            continue
        at = path.at(name)
        probe(found, grace, at, err)
        own = found.get("terminationGracePeriodSeconds")
        if name != "readinessProbe":
            if found.get("successThreshold") != 1:
                err.invalid(at.at("successThreshold"), found.get("successThreshold") or 0, "must be 1")
        elif own is not None:
            err.invalid(at.at("terminationGracePeriodSeconds"), own, "must not be set for readinessProbes")
