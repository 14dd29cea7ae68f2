"""Actions on containers: probes and lifecycle hooks."""

from __future__ import annotations

from longboat.api.view import Part


class HTTPHeader(Part):
    name: str = ""
    value: str = ""


class HTTPGetAction(Part):
    path: str = "/"
    port: int | str = 0
    host: str = ""
    scheme: str = "HTTP"
    httpHeaders: list[HTTPHeader] = []


class TCPSocketAction(Part):
    port: int | str = 0
    host: str = ""


class ExecAction(Part):
    command: list[str] = []


class GRPCAction(Part):
    port: int = 0
    service: str = ""


class SleepAction(Part):
    seconds: int = 0


class Probe(Part):
    httpGet: HTTPGetAction | None = None
    tcpSocket: TCPSocketAction | None = None
    exec: ExecAction | None = None
    grpc: GRPCAction | None = None
    initialDelaySeconds: int = 0
    timeoutSeconds: int = 1
    periodSeconds: int = 10
    successThreshold: int = 1
    failureThreshold: int = 3
    terminationGracePeriodSeconds: int | None = None


class LifecycleHandler(Part):
    httpGet: HTTPGetAction | None = None
    tcpSocket: TCPSocketAction | None = None
    exec: ExecAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Part):
    postStart: LifecycleHandler | None = None
    preStop: LifecycleHandler | None = None
    stopSignal: str = ""
