"""How versions of a custom kind become each other: by another apiVersion alone, or by whoever is asked."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules
from longboat.registry.kinds.admissionregistration import clients

NONE, WEBHOOK = "None", "Webhook"
REVIEWS = ("v1", "v1beta1")  # the versions of a ConversionReview that are sent
_ELSEWHERE = "should not be set when strategy is not set to Webhook"


def check(new: Object, old: Object | None, path: Path, err: Errors) -> None:
    """Complain of spec.conversion. Fields are named as upstream holds them, where `webhook` is no level of its own."""
    strategy = new.get("strategy") or ""
    rules.one_of(strategy, (NONE, WEBHOOK), path.at("strategy"), err)
    client, versions = dig(new, "webhook", "clientConfig"), dig(new, "webhook", "conversionReviewVersions", default=())
    at, told = path.at("webhookClientConfig"), path.at("conversionReviewVersions")
    if strategy != WEBHOOK:
        if client is not None:
            err.forbidden(at, _ELSEWHERE)
        if versions:
            err.forbidden(told, _ELSEWHERE)
        return
    if client is None:
        err.required(at, "required when strategy is set to Webhook")
    else:
        clients.config(client, at, err)
    _versions(list(versions), list(dig(old or {}, "webhook", "conversionReviewVersions", default=())), told, err)


def _versions(found: list[str], before: list[str], path: Path, err: Errors) -> None:
    if not found:
        err.required(path)
        return
    seen: set[str] = set()
    for i, version in enumerate(found):
        if version in seen:
            err.invalid(path.index(i), version, "duplicate version")
        else:
            err.extend(path.index(i), names.dns1035_label(version), version)
        seen.add(version)
    known = bool(seen & set(REVIEWS))
    if not known and (not before or set(before) & set(REVIEWS)):
        err.invalid(path, found, f"must include at least one of {', '.join(REVIEWS)}")
