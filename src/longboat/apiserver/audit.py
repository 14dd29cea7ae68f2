"""The audit log: who did what, at level Metadata. Bodies are never in it (security lesson 16)."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import msgspec

from longboat.aio.clock import Clock
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, micro_timestamp

log = logging.getLogger(__name__)

FLUSH_EVERY = 0.5  # seconds
MAX_BYTES = 32 << 20  # then the file is rotated once
MAX_PENDING = 50_000
SILENT_PATHS = ("/healthz", "/livez", "/readyz", "/metrics", "/version", "/api", "/apis", "/openapi")
SILENT_VERBS = frozenset(("get", "list", "watch"))  # reads are logged for Secrets alone


class AuditLog:
    """Lines wait in memory and are written by a thread, so that no request waits for the disk."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._pending: list[Object] = []
        self.dropped = 0

    def record(self, event: Object) -> None:
        if len(self._pending) >= MAX_PENDING:
            self.dropped += 1
        else:
            self._pending.append(event)

    async def run(self) -> None:
        """Write what has been recorded, until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_EVERY)
            if self._pending:
                batch, self._pending = self._pending, []
                await asyncio.to_thread(self._write, batch)

    def _write(self, batch: list[Object]) -> None:
        try:
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
                self._path.replace(self._path.with_suffix(".log.1"))
            with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                file.write(b"".join(msgspec.json.encode(event) + b"\n" for event in batch))
        except OSError as error:
            self.dropped += len(batch)
            log.error("cannot write the audit log %s: %s", self._path, error)


def audit(sink: AuditLog, clock: Clock) -> Filter:
    """Records every write, every refusal, and every read of a Secret, once it has been answered."""

    async def witness(request: Request, inner: Handler) -> Response:
        if _silent(request):
            return await inner(request)
        started = clock.now()
        code = 500
        try:
            response = await inner(request)
            code = response.status
            return response
        except StatusError as error:
            code = error.code
            raise
        finally:
            stage = "ResponseStarted" if long_running(request) else "ResponseComplete"
            sink.record(_event(request, code, stage, micro_timestamp(started), micro_timestamp(clock.now())))

    return witness


def _silent(request: Request) -> bool:
    info = request.info
    if not info.is_resource:
        return request.path.startswith(SILENT_PATHS)
    return info.verb in SILENT_VERBS and info.resource != "secrets" and not info.subresource


def _event(request: Request, code: int, stage: str, received: str, now: str) -> Object:
    info, user = request.info, request.user
    event: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": request.request_id,
        "stage": stage,
        "requestURI": request.path,
        "verb": info.verb,
        "user": {"username": user.name, "groups": list(user.groups)} if user else {},
        "sourceIPs": [request.remote],
        "userAgent": request.headers.get("user-agent", ""),
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": received,
        "stageTimestamp": now,
    }
    if info.is_resource:
        event["objectRef"] = {
            "resource": info.resource,
            "namespace": info.namespace,
            "name": info.name,
            "apiGroup": info.group,
            "apiVersion": info.version,
            "subresource": info.subresource,
        }
    if request.audit:
        event["impersonatedUser"] = request.audit
    return event
