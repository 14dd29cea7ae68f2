"""What a probe or hook of an imagined container comes to, over whatever it goes. Pure."""

from __future__ import annotations

from longboat.node import ports
from longboat.node.hooks import HookFailure
from longboat.node.probe_once import ERROR, FAILURE, SUCCESS, Outcome
from longboat.node.views.container import Container
from longboat.node.views.handlers import HTTPGetAction, Probe


def outcome(kind: str, probe: Probe, container: Container, host: str, *, passes: bool) -> Outcome:
    """A probe that names a port which is not there fails here as everywhere."""
    try:
        if probe.httpGet:
            ports.number(container, probe.httpGet.port)
            return Outcome(SUCCESS, "ok") if passes else _failure("HTTP probe failed with statuscode: 503")
        if probe.tcpSocket:
            where = f"{probe.tcpSocket.host or host}:{ports.number(container, probe.tcpSocket.port)}"
            return Outcome(SUCCESS) if passes else _failure(f"dial tcp {where}: connect: connection refused")
    except ValueError as error:
        return Outcome(ERROR, str(error))
    if passes:
        return Outcome(SUCCESS)
    if probe.grpc:
        return _failure('service unhealthy (responded with "NOT_SERVING")')
    return _failure(f"the {kind} probe fails in this simulation")


def check_hook(action: HTTPGetAction, container: Container) -> None:
    """Raises HookFailure."""
    try:
        ports.number(container, action.port)
    except ValueError as error:
        raise HookFailure(f"HTTP lifecycle hook ({action.path}) failed: {error}") from error


def _failure(words: str) -> Outcome:
    return Outcome(FAILURE, words)
