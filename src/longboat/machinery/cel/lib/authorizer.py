"""`authorizer`: what an expression asks of who may do what (Kubernetes' library kubernetes.authz). Who answers is the
caller's: it brings a function from a question to a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from longboat.machinery import names
from longboat.machinery.cel import values
from longboat.machinery.cel.errors import EvalError

TABLE = """
path authorizer_path recv.(Authorizer string) PathCheck
group authorizer_group recv.(Authorizer string) GroupCheck
serviceAccount authorizer_serviceaccount recv.(Authorizer string string) Authorizer
resource groupcheck_resource recv.(GroupCheck string) ResourceCheck
subresource resourcecheck_subresource recv.(ResourceCheck string) ResourceCheck
namespace resourcecheck_namespace recv.(ResourceCheck string) ResourceCheck
name resourcecheck_name recv.(ResourceCheck string) ResourceCheck
fieldSelector authorizer_fieldselector recv.(ResourceCheck string) ResourceCheck
labelSelector authorizer_labelselector recv.(ResourceCheck string) ResourceCheck
check pathcheck_check recv.(PathCheck string) Decision
check resourcecheck_check recv.(ResourceCheck string) Decision
errored decision_errored recv.(Decision) bool
error decision_error recv.(Decision) string
allowed decision_allowed recv.(Decision) bool
reason decision_reason recv.(Decision) string
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """`error` is None where none happened."""

    allowed: bool
    reason: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """May the user do this? `service_account` (namespace, name) stands for another user than the request's."""

    verb: str
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """The value of the variable `authorizer`."""

    decide: Callable[[Question], Decision]
    service_account: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PathCheck:
    authorizer: Authorizer
    path: str


@dataclass(frozen=True, slots=True)
class GroupCheck:
    authorizer: Authorizer
    group: str


@dataclass(frozen=True, slots=True)
class ResourceCheck:
    """The value of `authorizer.requestResource`, too."""

    authorizer: Authorizer
    question: Question


for _class in (Authorizer, PathCheck, GroupCheck, ResourceCheck, Decision):
    values.register(_class, f"kubernetes.authorization.{_class.__name__}")


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip():
        raise EvalError("path must not be empty")
    return PathCheck(authorizer, path)


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if names.dns1123_subdomain(name):
        raise EvalError("Invalid service account name")
    if names.dns1123_label(namespace):
        raise EvalError("Invalid service account namespace")
    return replace(authorizer, service_account=(namespace, name))


def _resource(check: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise EvalError("resource must not be empty")
    return ResourceCheck(check.authorizer, Question("", group=check.group, resource=resource))


def _with(field: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    def put(check: ResourceCheck, value: str) -> ResourceCheck:
        change: dict[str, Any] = {field: value}
        return replace(check, question=replace(check.question, **change))

    return put


def _check_path(check: PathCheck, verb: str) -> Decision:
    authorizer = check.authorizer
    return authorizer.decide(Question(verb, check.path, service_account=authorizer.service_account))


def _check_resource(check: ResourceCheck, verb: str) -> Decision:
    authorizer = check.authorizer
    return authorizer.decide(replace(check.question, verb=verb, service_account=authorizer.service_account))


CALLS: dict[str, Callable[..., Any]] = {
    "authorizer_path": _path, "authorizer_group": GroupCheck, "authorizer_serviceaccount": _service_account,
    "groupcheck_resource": _resource, "resourcecheck_subresource": _with("subresource"),
    "resourcecheck_namespace": _with("namespace"), "resourcecheck_name": _with("name"),
    "authorizer_fieldselector": _with("field_selector"), "authorizer_labelselector": _with("label_selector"),
    "pathcheck_check": _check_path, "resourcecheck_check": _check_resource,
    "decision_errored": lambda decision: decision.error is not None,
    "decision_error": lambda decision: decision.error or "", "decision_allowed": lambda decision: decision.allowed,
    "decision_reason": lambda decision: decision.reason,
}  # fmt: skip
