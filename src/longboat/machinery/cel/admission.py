"""The variables of policies and of match conditions: what a request is, and the namespace that it is about
(admissionregistration v1; apiserver, admission/plugin/cel)."""

from __future__ import annotations

from longboat.machinery.cel import types
from longboat.machinery.cel.lib import times
from longboat.machinery.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Field, Struct, Type, list_of, map_of


def _struct(called: str, keys: dict[str, str] | None = None, /, **fields: Type) -> Struct:
    made: dict[str, Field] = {}
    for field, type_ in fields.items():
        made[field] = Field(type_, (keys or {}).get(field, field), times.timestamp if type_ is TIMESTAMP else None)
    return Struct(f"kubernetes.{called}", made)


_STRINGS = list_of(STRING)
_GVK = _struct("GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_GVR = _struct("GroupVersionResource", group=STRING, version=STRING, resource=STRING)
USER = _struct("UserInfo", username=STRING, uid=STRING, groups=_STRINGS, extra=map_of(STRING, _STRINGS))
REQUEST = _struct(
    "AdmissionRequest",
    kind=_GVK,
    resource=_GVR,
    subResource=STRING,
    requestKind=_GVK,
    requestResource=_GVR,
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=USER,
    dryRun=BOOL,
    options=DYN,
)
_META = _struct(
    "NamespaceMetadata",
    {"UID": "uid"},
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    labels=map_of(STRING, STRING),
    annotations=map_of(STRING, STRING),
    UID=STRING,
    creationTimestamp=TIMESTAMP,
    deletionGracePeriodSeconds=INT,
    deletionTimestamp=TIMESTAMP,
    generation=INT,
    resourceVersion=STRING,
    finalizers=_STRINGS,
)
_CONDITION = _struct(
    "NamespaceCondition", status=STRING, type=STRING, lastTransitionTime=TIMESTAMP, message=STRING, reason=STRING
)
_STATUS = _struct("NamespaceStatus", conditions=list_of(_CONDITION), phase=STRING)
NAMESPACE = _struct("Namespace", metadata=_META, spec=_struct("NamespaceSpec", finalizers=_STRINGS), status=_STATUS)

# Without `params` and `variables`, which a policy may have.
VARIABLES: dict[str, Type] = {
    "object": DYN,
    "oldObject": DYN,
    "request": REQUEST,
    "namespaceObject": NAMESPACE,
    "authorizer": types.AUTHORIZER,
    "authorizer.requestResource": types.RESOURCE_CHECK,
}


def variables(*, params: bool = False, authorizer: bool = True) -> dict[str, Type]:
    """What an expression may name. `params`: its policy has some; `authorizer`: it may ask what users may do."""
    found = {name: type_ for name, type_ in VARIABLES.items() if authorizer or not name.startswith("authorizer")}
    return {**found, "params": DYN} if params else found


def composed(variables: dict[str, Type]) -> Struct:
    """The type of `variables`: a policy's own, by their names, each of the type that its expression has. Objects are
    not told apart."""
    return Struct("kubernetes.variables", {name: Field(_kept(type_), name) for name, type_ in variables.items()})


def _kept(type_: Type) -> Type:
    if type_.kind in ("list", "map"):
        return Type(type_.kind, type_.name, tuple(map(_kept, type_.params)))
    return type_ if type_.kind in _KEPT else DYN


_KEPT = frozenset((
    "any", "bool", "bytes", "double", "duration", "dyn", "int", "null", "string", "timestamp", "uint",
))  # fmt: skip
