"""One attempt of a probe: success or failure, and the words for an Event."""

from __future__ import annotations

import asyncio
import errno
import os

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.http.client import BadMessage
from longboat.node import http_get, ports
from longboat.node.cri.interface import Runtime, RuntimeFailure
from longboat.node.views.container import Container
from longboat.node.views.handlers import GRPCAction, HTTPGetAction, Probe, TCPSocketAction

MAX_OUTPUT = 10 << 10  # bytes of a command's output that are kept
SUCCESS, FAILURE, WARNING, ERROR = "success", "failure", "warning", "error"


class Outcome(msgspec.Struct, frozen=True):
    """`result` is one of the four; an ERROR is an attempt that could not be made and counts as a failure."""

    result: str
    words: str = ""


async def attempt(runtime: Runtime, clock: Clock, probe: Probe, container: Container, id: str, host: str) -> Outcome:
    """Carry out a probe of the container `id` in the pod at `host`, within its timeout. Never raises."""
    limit = float(probe.timeoutSeconds or 1)
    if probe.exec:
        return await _exec(runtime, probe.exec.command, id, limit)
    try:
        if probe.httpGet:
            return await _http(runtime, clock, probe.httpGet, container, host, limit)
        if probe.tcpSocket:
            return await _tcp(runtime, clock, probe.tcpSocket, container, host, limit)
        if probe.grpc:
            return await _grpc(runtime, clock, probe.grpc, host, limit)
    except ValueError as error:
        return Outcome(ERROR, str(error))
    return Outcome(ERROR, f"missing probe handler for {container.name}")


async def _exec(runtime: Runtime, command: list[str], id: str, limit: float) -> Outcome:
    try:
        done = await runtime.exec_sync(id, command, limit)
    except RuntimeFailure as failure:
        if failure.code == "DeadlineExceeded":
            return Outcome(FAILURE, f'command timed out: "{" ".join(command)}" timed out after {limit:g}s')
        return Outcome(ERROR, str(failure))
    words = (done.stdout + done.stderr)[:MAX_OUTPUT].decode(errors="replace")
    return Outcome(FAILURE if done.code else SUCCESS, words)


async def _http(
    runtime: Runtime, clock: Clock, action: HTTPGetAction, container: Container, host: str, limit: float
) -> Outcome:
    address = http_get.url(action, action.host or host, ports.number(container, action.port))
    headers = [(header.name, header.value) for header in action.httpHeaders]
    try:
        async with clock.timeout(limit):
            answer = await http_get.get(address, headers, runtime.dial)
    except TimeoutError:
        waiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Outcome(FAILURE, f'Get "{address}": {waiting}')
    except (OSError, BadMessage, asyncio.IncompleteReadError) as error:
        return Outcome(FAILURE, f'Get "{address}": {_reason(error, address.split("//")[1].split("/")[0])}')
    body = answer.body.decode(errors="replace")
    if answer.moved:
        return Outcome(WARNING, f"Probe terminated redirects, Response body: {body}")
    if 200 <= answer.status < 400:
        return Outcome(SUCCESS, body)
    return Outcome(FAILURE, f"HTTP probe failed with statuscode: {answer.status}")


async def _tcp(
    runtime: Runtime, clock: Clock, action: TCPSocketAction, container: Container, host: str, limit: float
) -> Outcome:
    host, port = action.host or host, ports.number(container, action.port)
    try:
        async with clock.timeout(limit):
            _, writer = await runtime.dial(host, port)
    except TimeoutError:
        return Outcome(FAILURE, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(FAILURE, _reason(error, f"{host}:{port}"))
    writer.close()
    return Outcome(SUCCESS)


async def _grpc(runtime: Runtime, clock: Clock, action: GRPCAction, host: str, limit: float) -> Outcome:
    try:
        async with clock.timeout(limit):
            status = await runtime.grpc_health(host, action.port, action.service)
    except TimeoutError:
        return Outcome(FAILURE, f'timeout: failed to connect service "{host}:{action.port}" within {limit:g}s')
    except OSError as error:
        return Outcome(FAILURE, str(error))
    if status != "SERVING":
        return Outcome(FAILURE, f'service unhealthy (responded with "{status}")')
    return Outcome(SUCCESS, "service healthy")


def _reason(error: Exception, where: str) -> str:
    """An error of the network in the words people search for."""
    if isinstance(error, OSError) and error.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"dial tcp {where}: connect: {os.strerror(error.errno).lower()}"
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    return str(error) or type(error).__name__
