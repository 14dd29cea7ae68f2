"""OpenAPI documents: the published definitions, cut from the resource that the build makes, and the paths served.

Definitions are never decoded: a document is put together from their JSON texts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from longboat.machinery import openapi_forms
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.openapi_paths import Operation, Resource
from longboat.machinery.types import published

RESOURCE = Path(__file__).with_name("openapi.bin")
CORE = "io.k8s.api.core.v1."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
ALWAYS = tuple(META + name for name in ("DeleteOptions", "Patch", "Status", "WatchEvent"))  # named by the paths
SELECTABLE = "x-kubernetes-selectable-fields"
INFO = {"title": "Kubernetes", "version": "v1.36.0"}
BROUGHT = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}  # of a group version of custom kinds

_encode = msgspec.json.Encoder().encode


class Definitions:
    """The texts of the definitions, in OpenAPI v3's form."""

    def __init__(self, data: bytes) -> None:
        size = int.from_bytes(data[:4], "big")
        index = msgspec.msgpack.decode(data[4 : 4 + size])
        self._kinds: dict[str, str] = index["kinds"]
        self._types: dict[str, tuple[int, int, list[str]]] = index["types"]
        self._texts = memoryview(data)[4 + size :]
        self._brought: dict[str, Object] = {}  # by definition

    def bring(self, resources: Iterable[Resource], *, older: bool = False) -> None:
        """Take up the definitions of kinds that have brought their types; `older`: of what v2 can say."""
        brought = [(each.kind, each.type) for each in resources if each.type is not None]
        pod, pods = (self._decoded(f"{CORE}{name}") for name in ("Pod", "PodList")) if brought else ({}, {})
        for kind, kind_type in brought:
            name = kind_type.name
            by = {SELECTABLE: [{"fieldPath": path} for path in kind_type.selectable]} if kind_type.selectable else {}
            self._brought[name] = published.definition(kind, kind_type.schema, pod, older=older) | by
            self._brought[f"{name}List"] = published.list_definition(kind, name, pods, older=older) | by
            for each in (kind.name, kind.list_kind):
                self._kinds[f"{kind.group}/{kind.version}/{each}"] = f"{name}List" if each == kind.list_kind else name

    def _decoded(self, name: str) -> Object:
        at, length, _ = self._types[name]
        found: Object = msgspec.json.decode(self._texts[at : at + length])
        return found

    def name(self, kind: Kind) -> str:
        """The definition of a kind, "" where there is none."""
        return self._kinds.get(f"{kind.group}/{kind.version}/{kind.name}", "")

    def list_name(self, kind: Kind) -> str:
        return self._kinds.get(f"{kind.group}/{kind.version}/{kind.list_kind}", "")

    def closure(self, wanted: Iterable[str]) -> list[str]:
        """The definitions named and all that they refer to, in order."""
        found: set[str] = set()
        left = list(wanted)
        while left:
            name = left.pop()
            if name not in found and name in self._types:
                found.add(name)
                left += self._types[name][2]
            elif name not in found and name in self._brought:
                found.add(name)
                left += (f"{META}ObjectMeta", f"{META}ListMeta")
        return sorted(found)

    def object(self, names: Iterable[str], *, older: bool = False) -> bytes:
        """One JSON object of definitions by name, in v3's form or the older one."""
        built, brought = [], []
        for name in names:
            if name in self._brought:
                brought.append(b"%b:%b" % (_encode(name), _encode(self._brought[name])))
                continue
            at, length, _ = self._types[name]
            built.append(b'"%b":%b' % (name.encode(), bytes(self._texts[at : at + length])))
        texts = b",".join(built)
        return b"{%b}" % b",".join(filter(None, (swagger(texts) if older else texts, *brought)))


def load() -> Definitions:
    """Reads two megabytes: for the making of a document, not to be kept."""
    return Definitions(RESOURCE.read_bytes())


@lru_cache(maxsize=1)
def edition() -> bytes:
    """A digest of the definitions."""
    return hashlib.sha256(RESOURCE.read_bytes()).digest()


def digest(about: Iterable[Resource | Operation]) -> str:
    """Changes whenever a document about these would: its hash, without making it."""
    return hashlib.sha256(edition() + repr(list(about)).encode()).hexdigest().upper()


def v3(resources: Iterable[Resource]) -> bytes:
    """The OpenAPI 3.0 document of one group version's resources."""
    found, resources = load(), list(resources)
    found.bring(resources)
    paths = openapi_forms.v3(resources, found)
    schemas = found.object(found.closure((*ALWAYS, *_named(paths))))
    if all(each.type is not None for each in resources):
        return _v3(BROUGHT, paths, b'"schemas":%b' % schemas)
    return _v3(INFO, paths, b'"schemas":%b,%b' % (schemas, _SECURED))


def v3_of(operation: Operation) -> bytes:
    """The OpenAPI 3.0 document of what is no resource: discovery, the version, OpenID's two paths."""
    found, paths = load(), openapi_forms.alone(operation)
    names = found.closure(_named(paths))
    return _v3(INFO, paths, (b'"schemas":%b,' % found.object(names) if names else b"") + _SECURED)


_SECURED = b'"securitySchemes":' + _encode(openapi_forms.SECURITY)


def _v3(info: Mapping[str, str], paths: Object, components: bytes) -> bytes:
    return b'{"openapi":"3.0.0","info":%b,"paths":%b,"components":{%b}}' % (_encode(info), _encode(paths), components)


def v2(resources: Iterable[Resource], *, openid: bool = False) -> bytes:
    """The Swagger 2.0 document of everything served; `openid`: its two paths too."""
    found, resources = load(), list(resources)
    found.bring(resources, older=True)
    paths, parameters = openapi_forms.v2(resources, found, openid=openid)
    names = found.closure((*ALWAYS, *_named(paths), *_named(parameters)))
    secured = _encode(openapi_forms.SECURITY), _encode([{name: [] for name in openapi_forms.SECURITY}])
    return (
        b'{"swagger":"2.0","info":%b,"paths":%b,"definitions":%b,"parameters":%b,"securityDefinitions":%b,"security":%b}'
        % (_encode(INFO), _encode(paths), found.object(names, older=True), _encode(parameters), *secured)
    )


_PLACE = rb'"\$ref":"#/components/schemas/([^"]+)"'
_REFERENCE = re.compile(rb'"allOf":\[\{%b\}\]|%b' % (_PLACE, _PLACE))
_DEFAULT = re.compile(rb',"default":(?:\{\}|"[^"]*"|0|false)(?=[,}])')  # what the build writes (hatch_build.py)
_EITHER = re.compile(rb'"oneOf":\[[^\]]*\]')


def swagger(definitions: bytes) -> bytes:
    """Definitions in the older form: other places for references, one type where v3 allows two, no defaults."""
    bare = _DEFAULT.sub(b"", definitions)
    moved = _REFERENCE.sub(lambda found: b'"$ref":"#/definitions/%b"' % (found[1] or found[2]), bare)
    return _EITHER.sub(b'"type":"string"', moved)


def _named(node: Any) -> Iterable[str]:
    """The definitions that a document's paths refer to."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _named(value)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value)


def index(documents: Mapping[str, str]) -> Object:
    """The OpenAPI v3 index of documents by path ("api/v1") with their hashes."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={documents[path]}"} for path in sorted(documents)
        }
    }
