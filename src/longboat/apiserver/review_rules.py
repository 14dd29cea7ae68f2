"""What must hold for a review, before it is answered. Pure; the rules and their order are upstream's
(authorization/validation, serviceaccount/storage/token.go)."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import internal
from longboat.registry.kinds import rules

SHORTEST_TOKEN, LONGEST_TOKEN = 600, 1 << 32  # seconds
MAX_GROUPS = 10_000  # of a user whose rights are reviewed: each is looked up, on the loop

METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
PATH = "io.k8s.api.authorization.v1.NonResourceAttributes"
SYSTEM_FIELDS = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")

_SPEC, _RESOURCE = Path("spec"), Path("spec", "resourceAttributes")
# What an access review is refused as names its group alone.
_NAMELESS = Kind(kinds.SUBJECT_ACCESS_REVIEW.group, "", "", "")


def place(review: Object, namespace: str, *, keep: bool = False) -> None:
    """Bring a review's metadata in line with where it was sent. Raises StatusError 400.

    `keep`: what only the server sets stays, as a subresource's answer has it of its object.
    """
    meta = review.setdefault("metadata", {})
    for field in () if keep else SYSTEM_FIELDS:
        meta.pop(field, None)
    given = meta.pop("namespace", None)
    if namespace and given and given != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if namespace:
        meta["namespace"] = namespace


def access(review: Object, *, subject: bool = True, local: bool = False) -> None:
    """`subject`: it names whose rights are in question. `local`: it is asked in a namespace. Raises StatusError 422."""
    spec, meta, err = review.get("spec") or {}, review.get("metadata") or {}, Errors()
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    shown = internal.whole(PATH, path)
    if resource is not None and path is not None:
        err.invalid(
            _SPEC.at("nonResourceAttributes"), shown, "cannot be specified in combination with resourceAttributes"
        )
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        err.invalid(_RESOURCE, None, why)
    if subject and not spec.get("user") and not spec.get("groups"):
        err.invalid(_SPEC.at("user"), "", "at least one of user or group must be specified")
    if resource is not None:
        for selector in ("fieldSelector", "labelSelector"):
            if resource.get(selector) is not None:
                _selector(resource[selector], _RESOURCE.at(selector), err, labels=selector == "labelSelector")
    if any(value for field, value in meta.items() if field != "managedFields" and not (local and field == "namespace")):
        why = "must be empty except for namespace" if local else "must be empty"
        err.invalid(Path("metadata"), internal.whole(METADATA, meta), why)
    if local and resource is not None and (resource.get("namespace") or "") != meta.get("namespace"):
        err.invalid(_RESOURCE.at("namespace"), resource.get("namespace") or "", "must match metadata.namespace")
    if local and path is not None:
        err.invalid(_SPEC.at("nonResourceAttributes"), shown, "disallowed on this kind of request")
    if (groups := len(spec.get("groups") or ())) > MAX_GROUPS:
        err.too_many(_SPEC.at("groups"), groups, MAX_GROUPS)
    if err:
        raise errors.invalid(_NAMELESS, "", err)


def _selector(selector: Object, path: Path, err: Errors, *, labels: bool) -> None:
    """Operators that nobody knows yet are let through: they can only limit what is asked for."""
    raw, requirements = selector.get("rawSelector") or "", selector.get("requirements") or ()
    if raw and requirements:
        err.invalid(path.at("rawSelector"), raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        err.required(path.at("requirements"), f"when {path} is specified, requirements or rawSelector is required")
    for i, requirement in enumerate(requirements):
        at = path.at("requirements").index(i)
        if not labels and not requirement.get("key"):
            err.required(at.at("key"), "must be specified")
        rules.operator(requirement, at, err, unknown=True)
        if labels:
            rules.expression_labels(requirement, at, err)


def token_request(request: Object, name: str) -> None:
    """Whose token it is to be, where the body says so. Raises StatusError 422."""
    given, err = request["metadata"].get("name"), Errors()
    if given and given != name:
        err.invalid(Path("metadata", "name"), given, "must match the service account name if specified")
        raise errors.invalid(kinds.TOKEN_REQUEST, name, err)


def token_seconds(seconds: int) -> None:
    """How long a token is to last. Raises StatusError 422."""
    err, path = Errors(), _SPEC.at("expirationSeconds")
    if seconds < SHORTEST_TOKEN:
        err.invalid(path, seconds, "may not specify a duration less than 10 minutes")
    if seconds > LONGEST_TOKEN:
        err.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
    if err:
        raise errors.invalid(kinds.TOKEN_REQUEST, "", err)
