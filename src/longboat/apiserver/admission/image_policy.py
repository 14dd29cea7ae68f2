"""ImagePolicyWebhook: somebody outside says of each image whether it may run (imagepolicy.k8s.io ImageReview)."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgspec

from longboat.aio.backoff import doubling
from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.remote import Remote, Unreachable
from longboat.machinery import configfile
from longboat.machinery.errors import forbidden
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import SCALARS
from longboat.registry.admission import Attributes, Target

log = logging.getLogger(__name__)

SHAPE = configfile.struct(
    "io.k8s.imagepolicy.AdmissionConfiguration",
    imagePolicy=configfile.struct(
        "io.k8s.imagepolicy.Configuration",
        kubeConfigFile=SCALARS["string"],
        **{field: SCALARS["int64"] for field in ("allowTTL", "denyTTL", "retryBackoff")},
        defaultAllow=SCALARS["boolean"],
    ),
)
OURS = ".image-policy.k8s.io/"  # annotations of pods that the webhook is told
AUDITED = "imagepolicywebhook.image-policy.k8s.io/"  # annotations of audit events begin so
REMEMBERED = 1024  # answers (upstream)
SECONDS, TRIES = 30.0, 5  # for an answer; and attempts (upstream, DefaultRetryBackoffWithInitialDelay)
# field: unit in seconds, what holds where 0 is said, least and most, all in that unit
_TIMES = {
    "allowTTL": (1.0, 300, 1, 1800), "denyTTL": (1.0, 30, 1, 1800), "retryBackoff": (0.001, 500, 1, 300_000),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    file: str  # the kubeconfig
    allowed_for: float
    denied_for: float
    backoff: float
    allow: bool  # where nobody answers


def settings(found: dict[str, Any]) -> tuple[Settings, Errors]:
    """`found` has the right types already (`SHAPE`)."""
    err, said = Errors(), found.get("imagePolicy") or {}
    times, where = {}, Path("imagePolicy")
    if not said.get("kubeConfigFile"):
        err.required(where.at("kubeConfigFile"))
    for field, (unit, usual, least, most) in _TIMES.items():
        value = said.get(field) or usual
        if value < 0:  # not remembered, or tried again at once
            value = 0
        elif not least <= value <= most:
            err.invalid(where.at(field), value, f"valid value is between {least} and {most}")
        times[field] = value * unit
    return (
        Settings(
            said.get("kubeConfigFile") or "", times["allowTTL"], times["denyTTL"], times["retryBackoff"],
            bool(said.get("defaultAllow")),
        ),
        err,
    )  # fmt: skip


class _Status(msgspec.Struct, frozen=True):
    allowed: bool = False
    reason: str = ""
    auditAnnotations: dict[str, str] = {}


class _Review(msgspec.Struct):
    status: _Status = _Status()


_decode = msgspec.json.Decoder(_Review).decode


class ImagePolicyWebhook(Plugin):
    def __init__(self, settings: Settings, remote: Remote, clock: Clock) -> None:
        self._settings = settings
        self._remote = remote
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, _Status]] = OrderedDict()  # an answer, and until when it is one

    def handles(self, target: Target) -> bool:
        if target.kind != kinds.POD or target.operation not in ("CREATE", "UPDATE"):
            return False
        return target.subresource in ("", "ephemeralcontainers")

    async def validate(self, attributes: Attributes) -> None:
        spec = _asked(attributes)
        key = msgspec.json.encode(spec)
        status = self._remembered(key)
        if status is None:
            try:
                status = await self._ask(spec)
            except Unreachable as error:
                log.warning("the image policy webhook cannot be asked: %s", error)
                if not self._settings.allow:
                    raise forbidden(kinds.POD, attributes.name, str(error)) from error
                attributes.annotations[f"{AUDITED}failed-open"] = "true"
                return
            self._remember(key, status)
        for name, value in status.auditAnnotations.items():
            attributes.annotations[f"{AUDITED}{name}"] = value
        if not status.allowed:
            why = "one or more images rejected by webhook backend"
            if status.reason:
                why = f"image policy webhook backend denied one or more images: {status.reason}"
            raise forbidden(kinds.POD, attributes.name, why)

    async def _ask(self, spec: Object) -> _Status:
        """Raises Unreachable."""
        review = {"kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "metadata": {}, "spec": spec}
        body = msgspec.json.encode({**review, "status": {"allowed": False}})
        for attempt in range(1, TRIES + 1):
            try:
                return _decode(await self._remote.post(body, self._clock, SECONDS)).status
            except msgspec.DecodeError as error:
                raise Unreachable(f"the answer is no ImageReview: {error}") from None
            except Unreachable:
                if attempt == TRIES:
                    raise
                await self._clock.sleep(doubling(attempt, self._settings.backoff, SECONDS))
        raise AssertionError("unreachable")

    def _remembered(self, key: bytes) -> _Status | None:
        until, status = self._known.get(key, (0.0, None))
        return status if until > self._clock.monotonic() else None

    def _remember(self, key: bytes, status: _Status) -> None:
        keep = self._settings.allowed_for if status.allowed else self._settings.denied_for
        self._known[key] = (self._clock.monotonic() + keep, status)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _asked(attributes: Attributes) -> Object:
    """An ImageReviewSpec: containers first, then those that prepare, then those added to look around."""
    pod = attributes.obj or {}
    spec, notes = pod.get("spec") or {}, (pod.get("metadata") or {}).get("annotations") or {}
    if attributes.subresource:
        parts: tuple[str, ...] = ("ephemeralContainers",)
    else:
        parts = ("containers", "initContainers", "ephemeralContainers")
    asked: Object = {"containers": [{"image": c.get("image") or ""} for part in parts for c in spec.get(part) or ()]}
    if told := {name: value for name, value in notes.items() if OURS in name}:
        asked["annotations"] = told
    if attributes.namespace:
        asked["namespace"] = attributes.namespace
    return asked
