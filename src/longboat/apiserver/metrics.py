"""Figures for Prometheus: requests by verb, resource and code, and how long they took."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from socket import gethostname
from typing import Any

from longboat.aio.clock import Clock
from longboat.apiserver.audit.trail import COUNTS, RINGS
from longboat.apiserver.authn import figures
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.health import GIT_VERSION
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery import build
from longboat.machinery.errors import StatusError
from longboat.machinery.exposition import CONTENT_TYPE
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
HELP_SECONDS = (
    "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
    "subresource, scope and component."
)
HELP_BUILD = (
    "[BETA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build "
    "date, Go version, and compiler from which Kubernetes was built, and platform on which it is running."
)

Key = tuple[str, str, str, str, str, str]  # verb, group, version, resource, subresource, scope
COMPONENT = "apiserver"
OTHER = "other"
# Upstream's (apiserver, metrics.CleanVerb); HEAD counts as GET. Everything else is "other".
VERBS = {"head": "GET"} | {
    verb: verb.upper()
    for verb in ("connect", "create", "delete", "deletecollection", "get", "list", "patch", "post", "proxy", "put",
                 "update", "watch")
}  # fmt: skip


class Labels:
    """What a request is counted as: only what is served has a label, for whoever asks chooses the rest."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)  # first parts of those that name no resource

    def __call__(self, request: Request) -> Key:
        info = request.info
        verb = VERBS.get(info.verb, OTHER)
        if not info.is_resource:
            head = info.path.split("/", 2)[1] if info.path.startswith("/") else ""
            return verb, "", "", "", head if head in self._paths else "", ""
        if request.kind is None or (info.subresource and request.part is None):
            return verb, "", "", "", "", ""
        scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
        return verb, info.group, info.version, info.resource, info.subresource, scope


class Figures:
    """Counts are plain dicts, for they are touched by every request; Prometheus's own types are made when asked."""

    def __init__(self) -> None:
        self.totals: Counter[tuple[Key, str, int]] = Counter()
        self.seconds: dict[tuple[Key, str], list[float]] = {}  # a count per bucket, then the sum

    def add(self, key: Key, dry_run: str, code: int, seconds: float | None) -> None:
        self.totals[key, dry_run, code] += 1
        if seconds is None:
            return
        counts = self.seconds.get((key, dry_run))
        if counts is None:
            counts = self.seconds[key, dry_run] = [0.0] * (len(BUCKETS) + 2)
        at = 0
        while at < len(BUCKETS) and seconds > BUCKETS[at]:
            at += 1
        counts[at] += 1
        counts[-1] += seconds


FIGURES = Figures()


def count(clock: Clock, labels: Labels, figures: Figures = FIGURES) -> Filter:
    monotonic = clock.monotonic

    async def measure(request: Request, inner: Handler) -> Response:
        started, code = monotonic(), 500
        try:
            response = await inner(request)
            code = response.status
            return response
        except StatusError as error:
            code = error.code
            raise
        finally:
            seconds = None if long_running(request) else monotonic() - started
            figures.add(labels(request), _dry_run(request), code if 100 <= code < 600 else 0, seconds)

    return measure


def _dry_run(request: Request) -> str:
    """One of three words, whatever was asked for."""
    values = request.query.get("dryRun")
    return "" if not values else "All" if all(value == "All" for value in values) else "invalid"


@lru_cache(maxsize=1)
def _registry() -> Any:
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    registry = CollectorRegistry()
    for collector in (GCCollector, PlatformCollector, ProcessCollector):
        collector(registry=registry)
    registry.register(_Requests())
    registry.register(_EncryptionReloads())
    registry.register(_Audit())
    registry.register(_Tokens())
    registry.register(_Build())
    return registry


class _Requests:
    """Turns the figures into metric families."""

    LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component", "dry_run")

    def collect(self) -> Any:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        total = CounterMetricFamily("apiserver_request_total", HELP_TOTAL, labels=(*self.LABELS, "code"))
        for (key, dry_run, code), value in list(FIGURES.totals.items()):
            total.add_metric((*key, COMPONENT, dry_run, str(code or "unknown")), value)  # a backend says what it likes
        yield total
        seconds = HistogramMetricFamily("apiserver_request_duration_seconds", HELP_SECONDS, labels=self.LABELS)
        for (key, dry_run), counts in list(FIGURES.seconds.items()):
            running, buckets = 0.0, []
            for bound, number in zip((*map(str, BUCKETS), "+Inf"), counts, strict=False):
                running += number
                buckets.append((bound, running))
            seconds.add_metric((*key, COMPONENT, dry_run), buckets, counts[-1])
        yield seconds


class _EncryptionReloads:
    """How the file that says how to encrypt was kept up with (upstream's names)."""

    def collect(self) -> Any:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        name, server = "apiserver_encryption_config_controller", "sha256:" + sha256(gethostname().encode()).hexdigest()
        labels = ("status", "apiserver_id_hash")
        total = CounterMetricFamily(f"{name}_automatic_reloads_total", HELP_RELOADS, labels=labels)
        last = GaugeMetricFamily(f"{name}_automatic_reload_last_timestamp_seconds", HELP_LAST_RELOAD, labels=labels)
        for status, count in RELOADS.total.items():
            total.add_metric((status, server), count)
            last.add_metric((status, server), RELOADS.last[status])
        yield from (total, last)
        info = GaugeMetricFamily(f"{name}_last_config_info", HELP_LAST_CONFIG, labels=("apiserver_id_hash", "hash"))
        if RELOADS.digest:
            info.add_metric((server, RELOADS.digest), 1)
        yield info


class _Audit:
    """What was recorded, and what could not be kept (upstream's names)."""

    def collect(self) -> Any:
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily("apiserver_audit_event_total", HELP_AUDITED, value=COUNTS.events)
        errors = CounterMetricFamily("apiserver_audit_error_total", HELP_UNAUDITED, labels=("plugin",))
        for ring in RINGS:
            errors.add_metric((ring,), COUNTS.errors[ring])
        yield errors


class _Tokens:
    """Uses of ServiceAccounts' tokens."""

    def collect(self) -> Any:
        from prometheus_client.core import CounterMetricFamily

        for name, said in figures.HELP.items():
            yield CounterMetricFamily(f"serviceaccount_{name}", f"[ALPHA] {said}", value=figures.USES[name])


class _Build:
    def collect(self) -> Any:
        from prometheus_client.core import GaugeMetricFamily

        built = build.info(GIT_VERSION)
        info = GaugeMetricFamily("kubernetes_build_info", HELP_BUILD, labels=tuple(built))
        info.add_metric(tuple(built.values()), 1)
        yield info


async def handle(request: Request) -> Response:
    """In a thread: the library alone takes a tenth of a second to import, and nothing may hold the loop so long."""
    return Response(200, await asyncio.to_thread(_text), CONTENT_TYPE)


def _text() -> bytes:
    from prometheus_client import generate_latest

    return generate_latest(_registry())
