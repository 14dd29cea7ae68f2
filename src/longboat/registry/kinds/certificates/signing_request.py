"""CertificateSigningRequest: a certificate that somebody asks for, somebody approves, and somebody signs."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from datetime import datetime

from cryptography import x509

from longboat.api import kinds, subjects
from longboat.api.certificates import USAGES
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, timestamp
from longboat.machinery.subresource import view
from longboat.machinery.table import AGE, Column, human_duration
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, rules
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

SHORTEST = 600  # seconds that a certificate must be asked for at least
VERDICTS = ("Approved", "Denied")
LEGACY = "kubernetes.io/legacy-unknown"
CONDITION = "io.k8s.api.certificates.v1.CertificateSigningRequestCondition"
_SPEC, _CERTIFICATE, _CONDITIONS = Path("spec"), Path("status", "certificate"), Path("status", "conditions")
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
        """What was asked for stands. Through approval only the conditions change."""
        new["spec"] = old.get("spec")
        if write.subresource == "approval":
            conditions = dig(new, "status", "conditions", default=[])
            new["status"] = {**(old.get("status") or {}), "conditions": _dated(conditions, old, write.now)}

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        if conditions := _dated(dig(new, "status", "conditions", default=[]), old, write.now):
            new["status"]["conditions"] = conditions

    def validate_create(self, new: Object, err: Errors) -> None:
        """The request is one, and signed with its own key; nobody asks the signer of old, which took anything."""
        spec = new.get("spec") or {}
        if why := subjects.unsigned(spec.get("request") or ""):
            err.invalid(_SPEC.at("request"), spec.get("request"), why)
        usages = spec.get("usages") or []
        if not usages:
            err.required(_SPEC.at("usages"))
        for i, usage in enumerate(usages):
            if usage not in USAGES:
                err.not_supported(_SPEC.at("usages").index(i), usage, USAGES)
        for i in rules.repeated(usages):
            err.duplicate(_SPEC.at("usages").index(i), usages[i])
        signer = spec.get("signerName") or ""
        if signer == LEGACY:
            err.invalid(_SPEC.at("signerName"), signer, "the legacy signerName is not allowed via this API version")
        else:
            rules.signer_name(signer, _SPEC.at("signerName"), err)
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < SHORTEST:
            err.invalid(
                _SPEC.at("expirationSeconds"), seconds, "may not specify a duration less than 600 seconds (10 minutes)"
            )

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        _change(new, old, err)

    def validate_part(self, subresource: str, new: Object, old: Object, err: Errors) -> None:
        _change(new, old, err, decides=subresource == "approval")

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        _change(new, old, err, issues=True)


def _change(new: Object, old: Object, err: Errors, *, decides: bool = False, issues: bool = False) -> None:
    """What was asked for is the same, so it is not looked at again.

    `decides`: the write may add a verdict. `issues`: it may set the certificate, once.
    """
    had, has = (dig(obj, "status", "certificate") for obj in (old, new))
    _conditions(new, old, err)
    if has != had and (why := _no_certificates(has or "")):
        err.invalid(_CERTIFICATE, "<certificate data>", why)
    formerly, now = (_by_type(obj) for obj in (old, new))
    for kind in (*VERDICTS, "Failed"):
        if len(now[kind]) < len(formerly[kind]):
            err.forbidden(_CONDITIONS, f'updates may not remove a condition of type "{kind}"')
    for kind in () if decides else VERDICTS:
        if len(now[kind]) > len(formerly[kind]):
            err.forbidden(_CONDITIONS, f'updates may not add a condition of type "{kind}"')
        elif len(now[kind]) == len(formerly[kind]) and now[kind] != formerly[kind]:
            shown = "".join(
                internal.difference(CONDITION, *pair) for pair in zip(formerly[kind], now[kind], strict=True)
            )
            err.forbidden(_CONDITIONS, f'updates may not modify a condition of type "{kind}"\n{shown}')
    if has != had and not issues:
        err.forbidden(_CERTIFICATE, "updates may not set certificate content")
    elif has != had and had:
        err.forbidden(_CERTIFICATE, "updates may not modify existing certificate content")


def _by_type(request: Object) -> defaultdict[str, list[Object]]:
    found: defaultdict[str, list[Object]] = defaultdict(list)
    for condition in dig(request, "status", "conditions", default=()):
        found[condition.get("type") or ""].append(condition)
    return found


def _dated(conditions: list[Object], old: Object, now: datetime) -> list[Object]:
    """The conditions, with the times at which they were written."""
    had = {c.get("type"): c for c in dig(old, "status", "conditions", default=())}
    found = []
    for condition in conditions:
        former = had.get(condition.get("type"))
        same = former is not None and former.get("status") == condition.get("status")
        moment = timestamp(now)
        dated = {**condition, "lastUpdateTime": condition.get("lastUpdateTime") or moment}
        changed = former.get("lastTransitionTime") if same and former else None
        dated["lastTransitionTime"] = condition.get("lastTransitionTime") or changed or moment
        found.append(dated)
    return found


def _conditions(request: Object, old: Object, err: Errors) -> None:
    """What the former version had wrong already may stay."""
    formerly, seen = _by_type(old), set[str]()
    repeated = any(len(conditions) > 1 for conditions in formerly.values())
    for i, condition in enumerate(dig(request, "status", "conditions", default=())):
        at, kind, status = _CONDITIONS.index(i), condition.get("type") or "", condition.get("status") or ""
        if not kind and "" not in formerly:
            err.required(at.at("type"))
        allowed = ("True",) if kind in (*VERDICTS, "Failed") else ("False", "True", "Unknown")
        if not status:
            err.required(at.at("status"))
        elif status not in allowed:
            err.not_supported(at.at("status"), status, allowed)
        if kind in seen and not repeated:
            err.duplicate(at.at("type"), kind)
        seen.add(kind)
    if set(VERDICTS) <= seen and not set(VERDICTS) <= formerly.keys():
        err.invalid(_CONDITIONS, "Denied", "Approved and Denied conditions are mutually exclusive")


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
