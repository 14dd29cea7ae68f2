"""CertificateSigningRequest: a certificate that somebody asks for, somebody approves, and somebody signs."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime

from cryptography import x509

from longboat.api import kinds, subjects
from longboat.api.certificates import USAGES
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, timestamp
from longboat.machinery.subresource import view
from longboat.machinery.table import AGE, Column, human_duration
from longboat.registry.kinds import cells, rules
from longboat.registry.kinds.networking.ingress_class import domain_prefixed
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

SHORTEST = 600  # seconds that a certificate must be asked for at least
VERDICTS = ("Approved", "Denied")
LEGACY = "kubernetes.io/legacy-unknown"
_SPEC, _CERTIFICATE = Path("spec"), Path("status", "certificate")
_BLOCK = re.compile(rb"-----BEGIN ([^-\n]*)-----\r?\n([^\n:]*:[^\n]*\n)?")


def verdict(request: Object) -> str:
    found = {c.get("type"): c for c in dig(request, "status", "conditions", default=())}
    shown = "Denied" if "Denied" in found else "Approved" if "Approved" in found else "Pending"
    shown += ",Failed" if "Failed" in found else ""
    return f"{shown},Issued" if dig(request, "status", "certificate") else shown


def _duration(request: Object) -> str:
    seconds = dig(request, "spec", "expirationSeconds")
    return cells.NONE if seconds is None else human_duration(seconds)


class CertificateSigningRequest(Strategy):
    kind = kinds.CERTIFICATE_SIGNING_REQUEST
    columns = (
        AGE,
        Column("SignerName", str, cells.at("spec.signerName"), description="Who is to sign it."),
        Column("Requestor", str, cells.at("spec.username"), description="Who asks."),
        Column("RequestedDuration", str, _duration, description="For how long it is asked for."),
        Column("Condition", str, verdict, description="What has been decided."),
    )
    has_status = True
    generation = False
    subresources = (view("approval"),)
    selectable = frozenset(("spec.signerName",))

    def name_errors(self, name: str) -> list[str]:
        return names.path_segment(name)

    def fields(self, obj: Object) -> dict[str, str]:
        return {"spec.signerName": dig(obj, "spec", "signerName", default="")}

    def prepare_create(self, new: Object, write: Write) -> None:
        """Who asks is who is asking."""
        spec = new.setdefault("spec", {})
        for field in ("username", "uid", "groups", "extra"):
            spec.pop(field, None)
        user = write.user
        spec["username"] = user.name if user else ""
        if user is not None:
            spec["groups"] = list(user.groups)
            if user.uid:
                spec["uid"] = user.uid
            if user.extra:
                spec["extra"] = {key: list(values) for key, values in user.extra.items()}
        new["status"] = {}

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        """What was asked for stands. Through approval only the verdict changes."""
        new["spec"] = old.get("spec")
        if write.subresource == "approval":
            conditions = dig(new, "status", "conditions", default=[])
            new["status"] = {**(old.get("status") or {}), "conditions": _dated(conditions, old, write.now)}

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        """The verdict is not the signer's."""
        conditions = dig(new, "status", "conditions", default=[])
        kept = [c for c in dig(old, "status", "conditions", default=()) if c.get("type") in VERDICTS]
        others = [c for c in conditions if c.get("type") not in VERDICTS]
        if merged := _dated([*kept, *others], old, write.now):
            new.setdefault("status", {})["conditions"] = merged

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        usages = spec.get("usages") or []
        if not usages:
            err.required(_SPEC.at("usages"))
        for i, usage in enumerate(usages):
            if usage not in USAGES:
                err.not_supported(_SPEC.at("usages").index(i), usage, USAGES)
        for i in rules.repeated(usages):
            err.duplicate(_SPEC.at("usages").index(i), usages[i])
        signer = spec.get("signerName") or ""
        if not signer:
            err.required(_SPEC.at("signerName"))
        else:
            domain_prefixed(signer, _SPEC.at("signerName"), err)
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < SHORTEST:
            err.invalid(
                _SPEC.at("expirationSeconds"), seconds, "may not specify a duration less than 600 seconds (10 minutes)"
            )
        _conditions(new, err)

    def validate_create(self, new: Object, err: Errors) -> None:
        """The request is one, and signed with its own key; nobody asks the signer of old, which took anything."""
        request, signer = (dig(new, "spec", field, default="") for field in ("request", "signerName"))
        if why := subjects.unsigned(request):
            err.invalid(_SPEC.at("request"), request, why)
        if signer == LEGACY:
            err.invalid(_SPEC.at("signerName"), signer, "the legacy signerName is not allowed via this API version")

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        _conditions(new, err)
        had, has = (dig(obj, "status", "certificate") for obj in (old, new))
        if has == had:
            return
        if had:
            err.forbidden(_CERTIFICATE, "updates may not modify existing certificate content")
        if why := _no_certificates(has or ""):
            err.invalid(_CERTIFICATE, "<certificate data>", why)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        kept = {c.get("type") for c in dig(new, "status", "conditions", default=())}
        for condition in dig(old, "status", "conditions", default=()):
            if (kind := condition.get("type")) not in kept:
                err.forbidden(Path("status", "conditions"), f'updates may not remove a condition of type "{kind}"')


def _dated(conditions: list[Object], old: Object, now: datetime) -> list[Object]:
    """The conditions, with the times at which they were written."""
    had = {c.get("type"): c for c in dig(old, "status", "conditions", default=())}
    found = []
    for condition in conditions:
        former = had.get(condition.get("type"))
        same = former is not None and former.get("status") == condition.get("status")
        moment = timestamp(now)
        dated = {"status": "True", **condition}
        dated.setdefault("lastUpdateTime", moment)
        changed = former.get("lastTransitionTime") if same and former else None
        dated["lastTransitionTime"] = condition.get("lastTransitionTime") or changed or moment
        found.append(dated)
    return found


def _conditions(request: Object, err: Errors) -> None:
    path, seen = Path("status", "conditions"), set()
    for i, condition in enumerate(dig(request, "status", "conditions", default=())):
        at, kind = path.index(i), condition.get("type") or ""
        if not kind:
            err.required(at.at("type"))
        if not condition.get("status"):
            err.required(at.at("status"))
        elif kind in (*VERDICTS, "Failed") and condition["status"] != "True":
            err.not_supported(at.at("status"), condition["status"], ("True",))
        if kind in seen:
            err.duplicate(at.at("type"), kind)
        seen.add(kind)
    if set(VERDICTS) <= seen:
        err.invalid(path, "Denied", "Approved and Denied conditions are mutually exclusive")


def _no_certificates(encoded: str) -> str:
    """Why this (base64 of PEM) is not a chain of certificates; "" where it is, or nothing."""
    try:
        pem = base64.b64decode(encoded)
    except (ValueError, binascii.Error) as error:
        return str(error)
    if not pem:
        return ""
    blocks = _BLOCK.findall(pem)
    if not blocks:
        return "must contain at least one CERTIFICATE PEM block"
    for kind, headers in blocks:
        if kind != b"CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind.decode(errors="replace")}"'
        if headers:
            return "no PEM block headers are permitted"
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        return str(error)
    return ""
