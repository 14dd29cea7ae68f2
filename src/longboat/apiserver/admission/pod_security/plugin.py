"""PodSecurity: pods are held to the standard that their namespace's labels name (KEP-2579).

What refuses is `enforce`, and only pods. `warn` and `audit` tell, also of the templates that pods are made from. A
namespace's labels have to say something, and who makes them stricter is told of the pods that are there already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.apiserver.admission.pod_security import relabelling
from longboat.apiserver.admission.pod_security.changes import matters
from longboat.apiserver.admission.pod_security.figures import Asked, Figures
from longboat.apiserver.admission.pod_security.levels import PRIVILEGED, Standard, policy
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.apiserver.admission.pod_security.subject import Subject
from longboat.apiserver.admission.pod_security.verdict import ERROR, Verdict, exempted, judge, unbound
from longboat.machinery.errors import forbidden, internal, invalid
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

TEMPLATES = {
    kinds.POD_TEMPLATE: ("template",),
    kinds.CRON_JOB: ("spec", "jobTemplate", "spec", "template"),
} | {
    kind: ("spec", "template") for kind in (
        kinds.REPLICATION_CONTROLLER, kinds.REPLICA_SET, kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.DAEMON_SET,
        kinds.JOB,
    )
}  # fmt: skip
"""Where kinds that make pods, or are made into some, have the template."""
IN_SCOPE = frozenset((kinds.NAMESPACE, kinds.POD, *TEMPLATES))
# A subresource of pods that is not named here is one through which a pod is written.
NO_PODS = frozenset(("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"))

PodsOf = Callable[[str], Sequence[Object]]
"""The pods of a namespace, decoded where they are taken from it."""


class PodSecurity(Plugin):
    def __init__(
        self, lookup: Lookup, seek: Seek, pods: PodsOf, clock: Clock, figures: Figures, settings: Settings
    ) -> None:
        self._lookup = lookup
        self._seek = seek
        self._pods = pods
        self._clock = clock
        self._figures = figures
        self._settings = settings

    def handles(self, target: Target) -> bool:
        kind = target.kind
        if kind not in IN_SCOPE or target.operation not in ("CREATE", "UPDATE"):
            return False
        return target.subresource not in NO_PODS if kind == kinds.POD else not target.subresource

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        """Judges where it is called, which may be a thread; what it then tells and counts, it does on the loop."""
        if attributes.kind == kinds.NAMESPACE:
            return self._namespace(attributes)
        if attributes.namespace in self._settings.namespaces:
            return self._tell(attributes, exempted("namespace"))
        if attributes.user is not None and attributes.user.name in self._settings.usernames:
            return self._tell(attributes, exempted("user"))
        namespace = self._lookup(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is None:
            return self._look_again(attributes)
        verdict = self._judge(attributes, namespace)
        return None if verdict is None else self._tell(attributes, verdict)

    async def _look_again(self, attributes: Attributes) -> None:
        namespace = await self._seek(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is not None:
            verdict = self._judge(attributes, namespace)
        else:
            verdict = Verdict(annotations={ERROR: f"failed to lookup namespace {attributes.namespace}"}, fatal=True)
        if verdict is not None:
            await self._tell(attributes, verdict)
        if namespace is None and attributes.kind == kinds.POD:  # templates are only told of
            raise internal(f"failed to lookup namespace {attributes.namespace}")

    def _judge(self, attributes: Attributes, namespace: Object) -> Verdict | None:
        """None: there is nothing to judge, and nothing to tell."""
        labels = namespace["metadata"].get("labels") or {}
        asked, errors = policy(labels, self._settings.defaults)
        pod = attributes.kind == kinds.POD
        quiet = not errors and asked.audit.level == asked.warn.level == PRIVILEGED
        if quiet and not pod:
            return None
        if quiet and asked.enforce.level == PRIVILEGED:
            return unbound()
        obj = attributes.obj
        assert obj is not None
        if pod and attributes.operation == "UPDATE" and attributes.old is not None and not matters(obj, attributes.old):
            return None
        template = obj if pod else dig(obj, *TEMPLATES[attributes.kind])
        if not template:
            return None
        spec = template.get("spec") or {}
        if (name := spec.get("runtimeClassName")) and name in self._settings.runtime_classes:
            return exempted("runtimeClass")
        return judge(asked, errors, Subject(template.get("metadata") or {}, spec), enforce=pod)

    async def _tell(self, attributes: Attributes, verdict: Verdict) -> None:
        """Raises StatusError."""
        asked = _asked(attributes)
        if verdict.exempt:
            self._figures.exempted(asked)
        if verdict.fatal is not None:
            self._figures.failed(verdict.fatal, asked)
        for evaluation in verdict.evaluated:
            self._figures.evaluated(*evaluation, asked)
        attributes.annotations.update(verdict.annotations)
        if verdict.warning and verdict.warning not in attributes.warnings:  # a write that is tried again tells once
            attributes.warnings.append(verdict.warning)
        if verdict.refusal:
            raise forbidden(attributes.kind, attributes.name, verdict.refusal)

    def _namespace(self, attributes: Attributes) -> Awaitable[None] | None:
        """Raises StatusError."""
        assert attributes.obj is not None
        new, errors = policy(attributes.obj["metadata"].get("labels") or {}, self._settings.defaults)
        if attributes.operation == "CREATE":
            if errors:
                raise invalid(attributes.kind, attributes.name, errors)
            return None
        assert attributes.old is not None
        old, known = policy(attributes.old["metadata"].get("labels") or {}, self._settings.defaults)
        if errors and list(errors) != list(known):
            raise invalid(attributes.kind, attributes.name, errors)
        before, after = old.enforce, new.enforce
        if after == before or after.level == PRIVILEGED:
            return None
        if after.minor == before.minor and not after.stricter_than(before):
            return None
        return self._relabelled(attributes, after)

    async def _relabelled(self, attributes: Attributes, standard: Standard) -> None:
        if attributes.name in self._settings.namespaces:
            attributes.annotations.update(exempted("namespace").annotations)  # upstream counts it as no exemption
            return
        said = await relabelling.warnings(
            attributes.name, standard, self._pods(attributes.name), self._settings.runtime_classes, self._clock
        )
        attributes.warnings.extend(text for text in said if text not in attributes.warnings)


def _asked(attributes: Attributes) -> Asked:
    resource = "pod" if attributes.kind == kinds.POD else "controller"
    return attributes.operation.lower(), resource, attributes.subresource
