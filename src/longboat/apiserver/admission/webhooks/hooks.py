"""The webhooks that are configured, and which requests each of them is asked about. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from longboat.api import kinds
from longboat.apiserver.admission import matching
from longboat.apiserver.admission.conditions import Condition, Conditions
from longboat.apiserver.admission.matching import Equivalents
from longboat.apiserver.admission.webhooks.credentials import NONE, Credentials
from longboat.apiserver.admission.webhooks.target import Target
from longboat.machinery import selectors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.selectors import LabelSelector
from longboat.registry.admission import Attributes
from longboat.registry.store import Store

# No webhook is asked about what could turn it off, or keep one that harms from being taken away.
EXEMPT = frozenset((
    kinds.VALIDATING_WEBHOOK_CONFIGURATION, kinds.MUTATING_WEBHOOK_CONFIGURATION,
    kinds.VALIDATING_ADMISSION_POLICY, kinds.VALIDATING_ADMISSION_POLICY_BINDING,
    kinds.MUTATING_ADMISSION_POLICY, kinds.MUTATING_ADMISSION_POLICY_BINDING,
))  # fmt: skip
AT_ONCE = 100  # exchanges with one webhook
UNDERSTOOD = ("v1", "v1beta1")  # versions of AdmissionReview


@dataclass(frozen=True)
class Hook:
    """One webhook of a configuration. `ref` tells one version of it from another."""

    configuration: str
    ref: tuple[str, int, int]
    spec: Object
    uid: str = ""  # of the configuration
    who: Credentials = NONE  # as whom it is asked

    @property
    def name(self) -> str:
        name: str = self.spec["name"]
        return name

    @property
    def fails_open(self) -> bool:
        return bool(self.spec.get("failurePolicy") == "Ignore")

    @property
    def seconds(self) -> int:
        return int(self.spec.get("timeoutSeconds") or 10)

    @property
    def reinvoked(self) -> bool:
        return bool(self.spec.get("reinvocationPolicy") == "IfNeeded")

    @property
    def harmless_when_dry(self) -> bool:
        return self.spec.get("sideEffects") in ("None", "NoneOnDryRun")

    @property
    def review_version(self) -> str:
        """The first that both understand; validation sees to it that there is one."""
        offered = self.spec.get("admissionReviewVersions") or ()
        return next((version for version in offered if version in UNDERSTOOD), UNDERSTOOD[0])

    @cached_property
    def target(self) -> Target:
        return Target(self.spec.get("clientConfig") or {}, self.seconds, AT_ONCE, self.who)

    @cached_property
    def conditions(self) -> Conditions:
        found = self.spec.get("matchConditions") or ()
        return Conditions([Condition(each["name"], each["expression"]) for each in found])

    @cached_property
    def namespaces(self) -> LabelSelector:
        return selectors.from_api(self.spec.get("namespaceSelector") or {})

    @cached_property
    def objects(self) -> LabelSelector:
        return selectors.from_api(self.spec.get("objectSelector") or {})

    def asked_about(
        self, attributes: Attributes, labels: Callable[[], Mapping[str, str] | None], others: Equivalents
    ) -> Kind | None:
        """The version of the resource that it is to be shown the request in; None where it is not asked.

        `labels`: those of the request's namespace; None where it is not there.
        """
        exactly = self.spec.get("matchPolicy") == "Exact"
        kind = matching.matched(self.spec.get("rules") or (), attributes, exactly=exactly, others=others)
        if kind is None or not matching.selected(self.objects, attributes):
            return None
        if self.namespaces.empty:
            return kind
        found = labels()
        return kind if found is None or self.namespaces.matches(found) else None  # unknown counts: it may guard


class Hooks:
    """What one kind of configuration holds, in the order in which it is asked: by the configurations' names. `who`: as
    whom webhooks are asked."""

    def __init__(self, store: Store, who: Credentials = NONE) -> None:
        self._store = store
        self._read_from = -1  # the cache's version
        self._who = who
        self._hooks: tuple[Hook, ...] = ()

    def now(self) -> tuple[Hook, ...]:
        """A change of a configuration is in force with the next request. Raises Unreadable: one that cannot be read
        may guard."""
        cache = self._store.cache
        version = cache.version
        if cache.unopened or version != self._read_from:
            entries = self._store.entries()
            found = [(msgspec.json.decode(entry.body), entry.revision) for entry in entries]
            found.sort(key=lambda each: str(each[0]["metadata"]["name"]))
            had = {hook.ref: hook for hook in self._hooks}
            hooks = []
            for configuration, revision in found:
                name, uid = configuration["metadata"]["name"], configuration["metadata"].get("uid") or ""
                for i, spec in enumerate(configuration.get("webhooks") or ()):
                    ref = (name, revision, i)
                    hooks.append(had.get(ref) or Hook(name, ref, spec, uid, self._who))
            self._hooks = tuple(hooks)
            for ref in had.keys() - {hook.ref for hook in hooks}:
                had[ref].target.close()
            self._read_from = version
        return self._hooks
