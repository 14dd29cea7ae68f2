"""What the kinds that run pods from a template have in common."""

from __future__ import annotations

from longboat.machinery import selectors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import Column
from longboat.machinery.types.emptied import as_sent
from longboat.registry.kinds import cells, rules
from longboat.registry.kinds.core.pod import spec as pod_spec


def template_labels_as_own(obj: Object) -> None:
    """ReplicationController and its like once took selector and labels from their template."""
    found = dig(obj, "spec", "template", "metadata", "labels")
    if found:
        if not dig(obj, "spec", "selector"):
            obj["spec"]["selector"] = dict(found)
        if not dig(obj, "metadata", "labels"):
            obj["metadata"]["labels"] = dict(found)


def validate_spec(spec: Object, err: Errors, owner: str, *, maker: str = "", template: Object | None = None) -> None:
    """Selector and template of a workload. `owner` is its kind, `maker` the one that makes its pods if that is another;
    `template` is its pods' as it is looked at, if that is not as it stands there."""
    if validate_selector(spec, err, owner):
        pod_spec.template(template or spec.get("template"), Path("spec", "template"), err)
        runs_on(spec, err, maker or owner)


def validate_selector(spec: Object, err: Errors, owner: str, why: str = "invalid label selector") -> bool:
    """Whether it is one: with what is none (`why` says so) upstream does not look at the template."""
    at, selector = Path("spec", "selector"), spec.get("selector")
    if selector is None:
        err.required(at)
    else:
        found = err.count
        rules.label_selector(selector, at, err)
        wrong = err.count > found
        if not (selector.get("matchLabels") or selector.get("matchExpressions")):
            err.invalid(at, selector, f"empty selector is invalid for {owner.lower()}")
        if wrong:
            err.invalid(at, selector, why)
            return False
    matches(spec, selector, err)
    return True


def runs_on(spec: Object, err: Errors, maker: str) -> None:
    """Pods of a workload run for good."""
    pod, at = dig(spec, "template", "spec", default={}), Path("spec", "template", "spec")
    if pod.get("restartPolicy") != "Always":
        err.not_supported(at.at("restartPolicy"), pod.get("restartPolicy") or "", ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        err.forbidden(at.at("activeDeadlineSeconds"), f"activeDeadlineSeconds in {maker} is not Supported")


def matches(spec: Object, selector: Object | None, err: Errors) -> None:
    labels = as_sent(dig(spec, "template", "metadata"), "labels")
    if not selectors.from_api(selector).matches(labels or {}):  # no selector at all matches nothing
        path = Path("spec", "template", "metadata", "labels")
        err.invalid(path, labels, "`selector` does not match template `labels`")


def validate_update(new: Object, old: Object, err: Errors) -> None:
    """The selector says which pods are its own: for good."""
    selector = dig(new, "spec", "selector")
    rules.immutable(selector, dig(old, "spec", "selector"), Path("spec", "selector"), err)


def validate_counts(new: Object, err: Errors, *fields: str) -> None:
    """The numbers of a status, none of which may be negative."""
    for field in fields:
        rules.not_negative(dig(new, "status", field), Path("status", field), err)


def no_more_than(new: Object, smaller: str, larger: str, err: Errors, shown: str = "") -> None:
    status = new.get("status") or {}
    count = status.get(smaller) or 0
    if count > (status.get(larger) or 0):
        err.invalid(Path("status", smaller), count, f"cannot be greater than {shown or f'status.{larger}'}")


def not_decremented(new: Object, old: Object, err: Errors) -> None:
    """collisionCount goes up alone: names rest on it."""
    count, former = (dig(obj, "status", "collisionCount") for obj in (new, old))
    if former is not None and (count is None or count < former):
        err.invalid(Path("status", "collisionCount"), count or 0, "cannot be decremented")


def replicas(obj: Object) -> str:
    """Ready of wanted."""
    return f"{dig(obj, 'status', 'readyReplicas', default=0)}/{dig(obj, 'spec', 'replicas', default=0)}"


DESIRED = Column("Desired", int, cells.at("spec.replicas", 0), description="How many pods there should be.")
CURRENT = Column("Current", int, cells.at("status.replicas", 0), description="How many pods there are.")
READY = Column("Ready", int, cells.at("status.readyReplicas", 0), description="How many pods are ready.")
READY_OF = Column("Ready", str, replicas, description="How many pods are ready, of how many there should be.")
SELECTOR = Column("Selector", str, lambda obj: cells.selector(dig(obj, "spec", "selector")), 1,
                  "Which pods are counted as its own.")  # fmt: skip
