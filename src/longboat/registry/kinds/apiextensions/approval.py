"""Groups that belong to Kubernetes itself: who defines a kind in one says that it has been reviewed (KEP-1111)."""

from __future__ import annotations

from longboat.machinery import urls
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, meta

ANNOTATION = "api-approved.kubernetes.io"
INVALID, MISSING, APPROVED, UNAPPROVED = "Invalid", "Missing", "Approved", "Unapproved"
_PROTECTED = ("k8s.io", "kubernetes.io")
_SEE = ", see https://github.com/kubernetes/enhancements/pull/1111"
_MUST = f'protected groups must have approval annotation "{ANNOTATION}"'


def protected(group: str) -> bool:
    return group in _PROTECTED or group.endswith(tuple(f".{name}" for name in _PROTECTED))


def state(obj: Object) -> tuple[str, str]:
    """What a definition says of its approval, and what that means."""
    said = (meta(obj).get("annotations") or {}).get(ANNOTATION) or ""
    if not said:
        return MISSING, _MUST + _SEE
    if said.startswith("unapproved"):
        return UNAPPROVED, f'not approved: "{said}"'
    try:
        url = urls.parse(said)
    except ValueError:
        url = None
    if url is not None and url.host and url.scheme:
        return APPROVED, f"approved in {said}"
    return INVALID, f'{_MUST} with either a URL or a reason starting with "unapproved"{_SEE}'


def check(new: Object, old: Object | None, err: Errors) -> None:
    """Who said too little before may leave it at that."""
    if not protected((new.get("spec") or {}).get("group") or ""):
        return
    now, why = state(new)
    if old is not None and state(old)[0] == now:
        return
    path = Path("metadata", "annotations").key(ANNOTATION)
    if now == INVALID:
        err.invalid(path, meta(new)["annotations"][ANNOTATION], why)
    elif now == MISSING:
        err.required(path, why)


def condition(obj: Object) -> Object | None:
    """KubernetesAPIApprovalPolicyConformant, without its time; None where it is nobody's concern."""
    if not protected((obj.get("spec") or {}).get("group") or ""):
        return None
    now, why = state(obj)
    return {
        "type": "KubernetesAPIApprovalPolicyConformant",
        "status": "True" if now == APPROVED else "False",
        "reason": f"{now}Annotation",
        "message": why,
    }
