"""Webhook configurations: who else is asked before something is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import fill, rules
from longboat.registry.kinds.admissionregistration import clients, matching
from longboat.registry.strategy import CHANGE, METADATA, Strategy

REVIEWS = ("v1", "v1beta1")  # the versions of an AdmissionReview that are sent
NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
REINVOCATIONS = ("IfNeeded", "Never")
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 1, 30  # seconds


@dataclass(frozen=True, slots=True)
class Leniency:
    """What is let pass in a new version because the old one, made by an older server, has it too."""

    side_effects: bool = False
    reviews: bool = False  # none whose version is sent
    repeated_names: bool = False
    label_values: bool = False
    conditions: bool = False  # they have not changed

    @classmethod
    def towards(cls, old: list[Object], new: list[Object]) -> Leniency:
        return cls(
            side_effects=any(hook.get("sideEffects") not in NO_SIDE_EFFECTS for hook in old),
            reviews=any(
                hook.get("admissionReviewVersions") and not _reviewed(hook["admissionReviewVersions"]) for hook in old
            ),
            repeated_names=any(True for _ in rules.repeated(hook.get("name") or "" for hook in old)),
            label_values=any(map(_oddly_selecting, old)),
            conditions=[hook.get("matchConditions") or [] for hook in old]
            == [hook.get("matchConditions") or [] for hook in new],
        )


def _reviewed(versions: list[str]) -> bool:
    return any(version in REVIEWS for version in versions)


def _oddly_selecting(hook: Object) -> bool:
    err = Errors()
    for field in ("namespaceSelector", "objectSelector"):
        rules.label_selector(hook.get(field), Path(field), err)
    return bool(err)


class ValidatingWebhookConfiguration(Strategy):
    kind = kinds.VALIDATING_WEBHOOK_CONFIGURATION
    heavy = True  # its conditions are compiled
    update_order = (METADATA, CHANGE)
    standard_finalizers = False
    unconditional_update = False
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Webhooks", int, lambda obj: len(obj.get("webhooks") or ()), description="How many are asked."),
        AGE,
    )

    def default(self, obj: Object) -> None:
        for webhook in fill.each(obj, "webhooks"):
            fill.absent(webhook, "failurePolicy", "Fail")
            fill.absent(webhook, "matchPolicy", "Equivalent")
            fill.absent(webhook, "timeoutSeconds", 10)
            for field in ("namespaceSelector", "objectSelector"):
                fill.part(webhook, field)
            if (service := (webhook.get("clientConfig") or {}).get("service")) is not None:
                fill.absent(service, "port", 443)
            for rule in fill.each(webhook, "rules"):
                fill.absent(rule, "scope", "*")

    def validate_create(self, new: Object, err: Errors) -> None:
        _webhooks(new.get("webhooks") or [], Leniency(), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        hooks = new.get("webhooks") or []
        _webhooks(hooks, Leniency.towards(old.get("webhooks") or [], hooks), err)


class MutatingWebhookConfiguration(ValidatingWebhookConfiguration):
    kind = kinds.MUTATING_WEBHOOK_CONFIGURATION

    def default(self, obj: Object) -> None:
        super().default(obj)
        for webhook in fill.each(obj, "webhooks"):
            fill.absent(webhook, "reinvocationPolicy", "Never")


def _webhooks(hooks: list[Object], lenient: Leniency, err: Errors) -> None:
    repeated = frozenset(() if lenient.repeated_names else rules.repeated(hook.get("name") for hook in hooks))
    for i, hook in enumerate(hooks):
        path = Path("webhooks").index(i)
        _webhook(hook, path, lenient, err)
        _reviews(hook.get("admissionReviewVersions") or [], path.at("admissionReviewVersions"), lenient, err)
        if i in repeated and hook.get("name"):
            err.duplicate(path.at("name"), hook["name"])


def _webhook(hook: Object, path: Path, lenient: Leniency, err: Errors) -> None:
    _name(hook.get("name") or "", path.at("name"), err)
    for i, rule in enumerate(hook.get("rules") or ()):
        matching.rule(rule, path.at("rules").index(i), err)
    matching.one_of_set(hook.get("failurePolicy"), matching.FAILURE_POLICIES, path.at("failurePolicy"), err)
    matching.one_of_set(hook.get("matchPolicy"), matching.MATCH_POLICIES, path.at("matchPolicy"), err)
    effects = SIDE_EFFECTS if lenient.side_effects else NO_SIDE_EFFECTS
    if hook.get("sideEffects") is None:
        err.required(path.at("sideEffects"), f"must specify one of {', '.join(effects)}")
    matching.one_of_set(hook.get("sideEffects"), effects, path.at("sideEffects"), err)
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not SHORTEST_TIMEOUT <= timeout <= LONGEST_TIMEOUT:
        why = f"the timeout value must be between {SHORTEST_TIMEOUT} and {LONGEST_TIMEOUT} seconds"
        err.invalid(path.at("timeoutSeconds"), timeout, why)
    for field in ("namespaceSelector", "objectSelector"):
        rules.label_selector(hook.get(field), path.at(field), err, any_value=lenient.label_values)
    matching.one_of_set(hook.get("reinvocationPolicy"), REINVOCATIONS, path.at("reinvocationPolicy"), err)
    clients.config(hook.get("clientConfig") or {}, path.at("clientConfig"), err)
    if not lenient.conditions:
        matching.conditions(hook.get("matchConditions") or [], path.at("matchConditions"), err)


def _name(name: str, path: Path, err: Errors) -> None:
    """A fully qualified name."""
    if not name:
        err.required(path)
    elif wrong := names.dns1123_subdomain(name):
        err.invalid(path, name, ",".join(wrong))
    elif name.count(".") < 2:
        err.invalid(path, name, "should be a domain with at least three segments separated by dots")


def _reviews(versions: list[str], path: Path, lenient: Leniency, err: Errors) -> None:
    if not versions:
        err.required(path, f"must specify one of {', '.join(REVIEWS)}")
        return
    repeated = frozenset(rules.repeated(versions))
    for i, version in enumerate(versions):
        if i in repeated:
            err.invalid(path.index(i), version, "duplicate version")
        else:
            err.extend(path.index(i), names.dns1035_label(version), version)
    if not (lenient.reviews or _reviewed(versions)):
        err.invalid(path, versions, f"must include at least one of {', '.join(REVIEWS)}")
