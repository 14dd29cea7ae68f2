"""Figures for Prometheus: requests by verb, resource and code, and how long they took."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from longboat.aio.clock import Clock
from longboat.aio.histogram import Histogram
from longboat.apiserver import followed
from longboat.apiserver.audit.trail import COUNTS, RINGS
from longboat.apiserver.audit.webhook import DROPPED, FAILED
from longboat.apiserver.authn import figures
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.health import GIT_VERSION
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery import build
from longboat.machinery.errors import StatusError
from longboat.machinery.exposition import CONTENT_TYPE, Family, Sample, Source, spread, text, together
from longboat.machinery.patch.document import APPLY
from longboat.storage.encryption.live import RELOADS

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
# Names, labels, help and levels of stability are upstream's (reference "Kubernetes Metrics", v1.36).
HELP_TOTAL = (
    "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
    "component, and HTTP response code."
)
HELP_RELOADS = (
    "[ALPHA] Total number of reload successes and failures of encryption configuration split by apiserver identity."
)
HELP_LAST_RELOAD = (
    "[ALPHA] Timestamp of the last successful or failed automatic reload of encryption configuration split by "
    "apiserver identity."
)
HELP_LAST_CONFIG = (
    "[ALPHA] Information about the last applied encryption configuration with hash as label, split by apiserver "
    "identity."
)
HELP_AUDITED = "[ALPHA] Counter of audit events generated and sent to the audit backend."
HELP_UNAUDITED = (
    "[ALPHA] Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the "
    "error."
)
HELP_LEVELS = "[ALPHA] Counter of policy levels for audit events (1 per request)."
HELP_REJECTED = "[ALPHA] Counter of apiserver requests rejected due to an error in audit logging backend."
HELP_SECONDS = (
    "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
    "subresource, scope and component."
)
HELP_RUNNING = (
    "[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope "
    "and component. Not all requests are tracked this way."
)
HELP_BUILD = (
    "[BETA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build "
    "date, Go version, and compiler from which Kubernetes was built, and platform on which it is running."
)

Key = tuple[str, str, str, str, str, str]  # verb, group, version, resource, subresource, scope
LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component")
COMPONENT = "apiserver"
OTHER = "other"
METHODS = frozenset(("DELETE", "PATCH", "POST", "PUT"))
CONNECTS = frozenset(("attach", "exec", "log", "portforward", "proxy"))  # subresources


class Labels:
    """What a request is counted as: only what is served has a label, for whoever asks chooses the rest."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)  # first parts of those that name no resource

    def __call__(self, request: Request) -> Key:
        info = request.info
        scope = ""
        if info.is_resource:
            named = info.name or info.verb == "create"
            scope = "resource" if named else "namespace" if info.namespace else "cluster"
        verb = _verb(request, scope)
        if not info.is_resource:
            head = info.path.split("/", 2)[1] if info.path.startswith("/") else ""
            return verb, "", "", "", head if head in self._paths else "", ""
        if request.kind is None or (info.subresource and request.part is None):
            return verb, "", "", "", "", ""
        return verb, info.group, info.version, info.resource, info.subresource, scope


def _verb(request: Request, scope: str) -> str:
    """Its method, but that lists, watches, connections and applied configurations are told apart; HEAD counts as GET.
    Whatever else it may be is "other" (apiserver, metrics.NormalizedVerb)."""
    info, method = request.info, request.method
    if info.verb == "watch":
        return "WATCH"
    if info.subresource in CONNECTS:
        return "CONNECT"
    if method in ("GET", "HEAD"):
        return "LIST" if scope in ("namespace", "cluster") else "GET"
    if method == "PATCH" and request.headers.get("content-type") == APPLY:
        return "APPLY"
    return method if method in METHODS else OTHER


class _Ended:
    """Requests of one sort: how many ended with which code, and how long they took that end by themselves."""

    __slots__ = ("codes", "seconds")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.seconds = Histogram(BUCKETS)


class Figures:
    """Of requests: plain numbers, for they are touched by every one."""

    def __init__(self) -> None:
        self._ended: dict[Key, dict[str, _Ended]] = {}  # and by dry run
        self.running: Counter[Key] = Counter()  # requests that never end by themselves, under way

    def add(self, key: Key, dry_run: str, code: int, seconds: float | None) -> None:
        by_dry_run = self._ended.get(key)
        if by_dry_run is None:
            by_dry_run = self._ended[key] = {}
        ended = by_dry_run.get(dry_run)
        if ended is None:
            ended = by_dry_run[dry_run] = _Ended()
        ended.codes[code] = ended.codes.get(code, 0) + 1
        if seconds is not None:
            ended.seconds.observe(seconds)

    def begin(self, key: Key, response: Response) -> None:
        """Count it until it is over."""
        self.running[key] += 1

        def end() -> None:
            self.running[key] -= 1

        response.after(end)

    def families(self) -> Iterator[Family]:
        yield Family("apiserver_longrunning_requests", "gauge", HELP_RUNNING,
                     [Sample(number, _labels(key)) for key, number in list(self.running.items())])  # fmt: skip
        ended = [
            ({**_labels(key), "dry_run": dry_run}, found)
            for key, by_dry_run in list(self._ended.items())
            for dry_run, found in list(by_dry_run.items())
        ]
        yield Family("apiserver_request_total", "counter", HELP_TOTAL, [
            Sample(number, {**labels, "code": str(code or "unknown")})  # backends say anything
            for labels, found in ended for code, number in list(found.codes.items())
        ])  # fmt: skip
        yield Family("apiserver_request_duration_seconds", "histogram", HELP_SECONDS, [
            sample for labels, found in ended if found.seconds.count for sample in spread(found.seconds, labels)
        ])  # fmt: skip


def _labels(key: Key) -> dict[str, str]:
    return dict(zip(LABELS, (*key, COMPONENT), strict=True))


def count(clock: Clock, labels: Labels, figures: Figures) -> Filter:
    monotonic = clock.monotonic

    async def measure(request: Request, inner: Handler) -> Response:
        started, code, lasts = monotonic(), 500, long_running(request)
        try:
            response = await inner(request)
            code = response.status
            if lasts and (response.stream is not None or response.upgrade is not None):
                figures.begin(labels(request), response)
            return response
        except StatusError as error:
            code = error.code
            raise
        finally:
            seconds = None if lasts else monotonic() - started
            figures.add(labels(request), _dry_run(request), code if 100 <= code < 600 else 0, seconds)

    return measure


def _dry_run(request: Request) -> str:
    """One of three words, whatever was asked for."""
    values = request.query.get("dryRun")
    return "" if not values else "All" if all(value == "All" for value in values) else "invalid"


class Exposition:
    """The server's own figures, and those of whoever else is in this process. `add` may come at any time."""

    def __init__(self) -> None:
        self.figures = Figures()
        self._process: Any = None  # the library's, once somebody has asked
        self._sources: list[Source] = [self.figures.families, _reloads, _audit, _tokens, _build]

    def add(self, source: Source) -> None:
        self._sources.append(source)

    async def handle(self, request: Request) -> Response:
        """In a thread: the library alone takes a tenth of a second to import, and nothing may hold the loop so long."""
        return Response(200, await asyncio.to_thread(self._text), CONTENT_TYPE)

    def _text(self) -> bytes:
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
        from prometheus_client import generate_latest as library

        if self._process is None:
            self._process = CollectorRegistry()
            for collector in (GCCollector, PlatformCollector, ProcessCollector):
                collector(registry=self._process)
        return library(self._process) + text(together(source() for source in self._sources)).encode()


def _reloads() -> Iterator[Family]:
    """How the file that says how to encrypt was kept up with."""
    name = "apiserver_encryption_config_controller"
    return followed.families(name, RELOADS, HELP_RELOADS, HELP_LAST_RELOAD, HELP_LAST_CONFIG)


def _audit() -> Iterator[Family]:
    """What was recorded, and what could not be kept."""
    yield Family("apiserver_audit_event_total", "counter", HELP_AUDITED, [Sample(COUNTS.events)])
    errors = [Sample(COUNTS.errors[part], {"plugin": part}) for part in (*RINGS, DROPPED, FAILED)]
    levels = [Sample(number, {"level": level}) for level, number in sorted(COUNTS.levels.items())]
    yield Family("apiserver_audit_level_total", "counter", HELP_LEVELS, levels)
    yield Family("apiserver_audit_requests_rejected_total", "counter", HELP_REJECTED, [Sample(COUNTS.rejected)])
    yield Family("apiserver_audit_error_total", "counter", HELP_UNAUDITED, errors)


def _tokens() -> Iterator[Family]:
    """Uses of ServiceAccounts' tokens."""
    for name, said in figures.HELP.items():
        yield Family(f"serviceaccount_{name}", "counter", f"[ALPHA] {said}", [Sample(figures.USES[name])])


def _build() -> Iterator[Family]:
    yield Family("kubernetes_build_info", "gauge", HELP_BUILD, [Sample(1, build.info(GIT_VERSION))])
