"""The paths of OpenAPI documents: which operations a resource has, and what they take and give.

Operations are described once (`operations`); `openapi_forms` writes them in the two forms of the specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from longboat.machinery.kinds import Kind
from longboat.machinery.patch.document import ACCEPTED
from longboat.machinery.subresource import Subresource
from longboat.machinery.types.custom import CustomType

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
MEDIA_TYPES = ("application/json", "application/yaml")  # of kinds that are brought along
BUILT_IN = (*MEDIA_TYPES, "application/vnd.kubernetes.protobuf")
ANY = ("*/*",)  # what is sent may be of any type; what the server cannot read it refuses


@dataclass(frozen=True, slots=True)
class Resource:
    """What a document says of a resource."""

    kind: Kind
    verbs: tuple[str, ...]
    subresources: tuple[Subresource, ...] = ()
    type: CustomType | None = None  # where its definition is not from the build
    returns_deleted: bool = False  # DELETE answers with the object rather than a Status


class Names(Protocol):
    """Where kinds find their definitions; "" for none."""

    def name(self, kind: Kind) -> str: ...

    def list_name(self, kind: Kind) -> str: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `body` and `answer` are definitions' names, "" for a plain string; `parameters` are names in `openapi_parameters`;
    `of` is the kind that the path's name is one of. Discovery has no `action`, and no `kind`.
    """

    path: str
    method: str
    action: str  # x-kubernetes-action
    id: str
    text: str
    tag: str
    kind: Kind | None
    body: str
    answer: str
    parameters: tuple[str, ...]
    of: str = ""
    patches: tuple[str, ...] = ()  # the media types of a patch
    gives: tuple[str, ...] = ()  # the media types of the answer, where they are not the usual ones
    streams: bool = False  # it may be watched
    brought: bool = False  # of a kind whose type is not from the build


# verb → method, action, beginning of the operation's id
_ONE = {
    "get": ("get", "get", "read"), "update": ("put", "put", "replace"), "patch": ("patch", "patch", "patch"),
    "delete": ("delete", "delete", "delete"),
}  # fmt: skip
_MANY = {
    "list": ("get", "list", "list"), "create": ("post", "post", "create"),
    "deletecollection": ("delete", "deletecollection", "delete"),
}  # fmt: skip

_SELECTING = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch",
              "sendInitialEvents", "timeoutSeconds")  # fmt: skip
_LISTING = ("allowWatchBookmarks", *_SELECTING, "pretty", "watch")
_DELETING = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
    "pretty",
)
_WRITING = ("dryRun", "fieldManager", "fieldValidation", "pretty")
TAKES: dict[str, tuple[str, ...]] = {
    "get": ("pretty",),
    "list": _LISTING,
    "watch": _LISTING,
    "watchlist": _LISTING,
    "post": _WRITING,
    "put": _WRITING,
    "patch": ("dryRun", "fieldManager@patch", "fieldValidation", "force", "pretty"),
    "delete": _DELETING,
    "deletecollection": tuple(dict.fromkeys((*_SELECTING, *_DELETING))),
}
_LOG = ("container@log", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "pretty", "previous", "sinceSeconds",
        "stream", "tailLines", "timestamps")  # fmt: skip
_STREAMS = ("container", "stderr", "stdin", "stdout", "tty")
CONNECTING = {
    "exec": ("command", *(f"{name}@exec" for name in _STREAMS)),
    "attach": tuple(f"{name}@attach" for name in _STREAMS),
    "portforward": ("ports",),
}
_DEPRECATED = "deprecated: use the 'watch' parameter with a list operation instead"
_SINGLE = "filtered to a single item with the 'fieldSelector' parameter"


def operations(resource: Resource, names: Names) -> Iterator[Operation]:
    patches = tuple(each for each in ACCEPTED if resource.type is None or "strategic" not in each)
    for operation in _operations(resource, names):
        parameters = operation.parameters
        if resource.type is not None and operation.action == "get":
            parameters = ("resourceVersion", *parameters)
        kind = operation.kind if resource.type is None else resource.kind
        yield replace(
            operation, kind=kind, brought=resource.type is not None, parameters=parameters,
            patches=patches if operation.action == "patch" else (),
        )  # fmt: skip


class _Described:
    """What the operations of one resource have in common."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.group, self.tag = _group(kind), tag(kind)
        self.scope = "Namespaced" if kind.namespaced else ""

    def operation(
        self, path: str, method: str, action: str, name: str, text: str, body: str, answer: str,
        *, kind: Kind | None = None, takes: tuple[str, ...] | None = None, streams: bool = False,
    ) -> Operation:  # fmt: skip
        """`name` is the operation's, with a gap where the group belongs."""
        parameters = TAKES.get(action, ()) if takes is None else takes
        described = kind or self.kind
        return Operation(
            path, method, action, name.format(self.group), text, self.tag, described, body, answer, parameters,
            described.name, streams=streams,
        )  # fmt: skip


def _operations(resource: Resource, names: Names) -> Iterator[Operation]:
    kind, name = resource.kind, names.name(resource.kind)
    if not name:
        return
    inside = f"{kind.path}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{kind.path}/{kind.plural}"
    described, lists = _Described(kind), names.list_name(kind) or name
    label, watched = f"{described.scope}{kind.name}", "watch" in resource.verbs
    listing = f"list or watch objects of kind {kind.name}"
    texts = {
        "list": listing,
        "create": f"create {_article(kind.name)}",
        "deletecollection": f"delete collection of {kind.name}",
    }
    for verb, (method, action, word) in _MANY.items():
        if verb in resource.verbs:
            answer = {"list": lists, "deletecollection": META + "Status"}.get(verb, name)
            body = {"create": name, "deletecollection": META + "DeleteOptions"}.get(verb, "")
            identity = f"{word}{{}}Collection{label}" if verb == "deletecollection" else f"{word}{{}}{label}"
            yield described.operation(
                inside, method, action, identity, texts[verb], body, answer, streams=watched and verb == "list"
            )
    texts = {"delete": f"delete {_article(kind.name)}"}
    for verb, (method, action, word) in _ONE.items():
        if verb in resource.verbs:
            body = {"update": name, "patch": META + "Patch", "delete": META + "DeleteOptions"}.get(verb, "")
            answer = META + "Status" if verb == "delete" and not resource.returns_deleted else name
            text = texts.get(verb) or f"{_VERBS[verb]} the specified {kind.name}"
            yield described.operation(f"{inside}/{{name}}", method, action, f"{word}{{}}{label}", text, body, answer)
    for part in resource.subresources:
        yield from _subresource(f"{inside}/{{name}}/{part.name}", described, label, part, names)
    if kind.namespaced and "list" in resource.verbs:
        everywhere = f"{kind.path}/{kind.plural}"
        identity = f"list{{}}{kind.name}ForAllNamespaces"
        yield described.operation(everywhere, "get", "list", identity, listing, "", lists, streams=watched)
    if watched and resource.type is None:
        yield from _watches(described, inside, label, "get" in resource.verbs)


def _watches(described: _Described, inside: str, label: str, one: bool) -> Iterator[Operation]:
    """The paths of old that say what is asked for by their beginning."""
    kind, event = described.kind, META + "WatchEvent"
    path = inside.replace(kind.path, f"{kind.path}/watch", 1)
    text = f"watch individual changes to a list of {kind.name}. {_DEPRECATED}."
    yield described.operation(path, "get", "watchlist", f"watch{{}}{label}List", text, "", event, streams=True)
    if kind.namespaced:
        everywhere, identity = f"{kind.path}/watch/{kind.plural}", f"watch{{}}{kind.name}ListForAllNamespaces"
        yield described.operation(everywhere, "get", "watchlist", identity, text, "", event, streams=True)
    if one:
        text = f"watch changes to an object of kind {kind.name}. {_DEPRECATED}, {_SINGLE}."
        yield described.operation(
            f"{path}/{{name}}", "get", "watch", f"watch{{}}{label}", text, "", event, streams=True
        )


def _subresource(path: str, described: _Described, label: str, part: Subresource, names: Names) -> Iterator[Operation]:
    if part.connects:
        yield from _connections(path, described, label, part)
        return
    kind, title = described.kind.name, f"{label}{part.name.capitalize()}"
    body_kind = part.body or described.kind
    name = names.name(body_kind)
    for verb in sorted(part.verbs):
        method, action, word = _ONE.get(verb) or _MANY[verb]
        body = {"create": name, "update": name, "patch": META + "Patch"}.get(verb, "")
        text = f"{_VERBS.get(verb)} {part.name} of the specified {kind}"
        if verb == "create":
            text = f"create {part.name} of {_article(kind)}"
        yield described.operation(
            path, method, action, f"{word}{{}}{title}", text, body, "" if part.text else name,
            kind=body_kind if name else described.kind, takes=_LOG if part.text else None,
        )  # fmt: skip


def _connections(path: str, described: _Described, label: str, part: Subresource) -> Iterator[Operation]:
    kind = part.body or described.kind
    takes = CONNECTING.get(part.name, (f"path@{kind.name}",))
    for method in sorted(each.lower() for each in part.connects):
        text = f"connect {method.upper()} requests to {part.name} of {described.kind.name}"
        identity = f"connect{{}}{method.capitalize()}{label}{part.name.capitalize()}"
        connection = described.operation(path, method, "connect", identity, text, "", "", kind=kind, takes=takes)
        yield connection
        if part.deep:
            yield replace(connection, path=f"{path}/{{path}}", id=f"{connection.id}WithPath")


_VERBS = {"get": "read", "update": "replace", "patch": "partially update"}


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"


# Documents of their own, by the paths they are about: what has no group version.
OPENID = {
    ".well-known/openid-configuration": Operation(
        "/.well-known/openid-configuration", "get", "", "getServiceAccountIssuerOpenIDConfiguration",
        "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'", "WellKnown",
        None, "", "", (), gives=("application/json",),
    ),
    "openid/v1/jwks": Operation(
        "/openid/v1/jwks", "get", "", "getServiceAccountIssuerOpenIDKeyset",
        "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)", "openid",
        None, "", "", (), gives=("application/jwk-set+json",),
    ),
}  # fmt: skip


def discovery(kinds: Iterable[Kind], *, openid: bool = False) -> dict[str, Operation]:
    """By path, without the slashes about it: what tells which kinds there are, and the server's version.

    `openid`: whose tokens they are can be asked as well.
    """
    version = _document(
        "/version/", "getCodeVersion", "get the version information for this server", "version",
        "io.k8s.apimachinery.pkg.version.Info",
    )  # fmt: skip
    said = "get available API versions"
    found = {
        "version": replace(version, gives=("application/json",)),
        "api": _document("/api/", "getCoreAPIVersions", said, "core", META + "APIVersions"),
        "apis": _document("/apis/", "getAPIVersions", said, "apis", META + "APIGroupList"),
    }
    groups = {kind.group: kind for kind in kinds if kind.group}
    for group, kind in groups.items():
        words, title = tag(kind).partition("_")[0], _group(kind).removesuffix(kind.version.capitalize())
        found[f"apis/{group}"] = _document(
            f"/apis/{group}/", f"get{title}APIGroup", "get information of a group", words, META + "APIGroup"
        )
    return found | OPENID if openid else found


def resource_list(kind: Kind) -> Operation:
    """Discovery of the kind's group version."""
    identity, answer = f"get{_group(kind)}APIResources", META + "APIResourceList"
    return _document(f"{kind.path}/", identity, "get available resources", tag(kind), answer)


def _document(path: str, identity: str, text: str, tagged: str, answer: str) -> Operation:
    return Operation(path, "get", "", identity, text, tagged, None, "", answer, ())


def _group(kind: Kind) -> str:
    """Core V1, Apps V1, RbacAuthorization V1: group and version in an operation's id."""
    words = kind.group.removesuffix(".k8s.io").split(".") if kind.group else ["core"]
    return "".join(word.capitalize() for word in (*words, kind.version))


def tag(kind: Kind) -> str:
    """core_v1, apps_v1, rbacAuthorization_v1: what operations are sorted by."""
    group = _group(kind).removesuffix(kind.version.capitalize())
    return f"{group[0].lower()}{group[1:]}_{kind.version}"
