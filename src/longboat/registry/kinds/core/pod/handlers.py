"""Probes and lifecycle hooks."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

SCHEMES = ("HTTP", "HTTPS")
KINDS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def action(found: Object, grace: int | None, path: Path, err: Errors) -> None:
    """What to do: exactly one of the kinds of actions."""
    given = [kind for kind in KINDS if found.get(kind) is not None]
    if not given:
        err.required(path, "must specify a handler type")
    for kind in given[1:]:
        err.forbidden(path.at(kind), "may not specify more than 1 handler type")
    for kind in given[:1]:
        _one(kind, found[kind], grace, path.at(kind), err)


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


def lifecycle(found: Object | None, grace: int | None, path: Path, err: Errors) -> None:
    for hook in ("postStart", "preStop"):
        if found and found.get(hook) is not None:
            action(found[hook], grace, path.at(hook), err)


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
    probe(container.get("livenessProbe"), grace, path.at("livenessProbe"), err)
    probe(container.get("readinessProbe"), grace, path.at("readinessProbe"), err)
    probe(container.get("startupProbe"), grace, path.at("startupProbe"), err)
    for name in ("livenessProbe", "startupProbe"):
        found = container.get(name)
        if found is not None and found.get("successThreshold") != 1:
            err.invalid(path.at(name, "successThreshold"), found.get("successThreshold") or 0, "must be 1")
    ready = container.get("readinessProbe") or {}
    if (own := ready.get("terminationGracePeriodSeconds")) is not None:
        at = path.at("readinessProbe", "terminationGracePeriodSeconds")
        err.invalid(at, own, "must not be set for readinessProbes")
