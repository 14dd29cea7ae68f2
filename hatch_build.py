"""Build hook: turns the API's published OpenAPI definitions into the resources that the package ships.

The definitions come with `kubernetes-validate`, which carries upstream's swagger, definition for definition. Three
files are written into `machinery/`, and ignored by git: `schema.bin`, the shapes the server works with,
`openapi.bin`, the definitions with their descriptions, as the pieces of OpenAPI documents, and `protos.bin`, the
compiled `machinery/protos/*.proto`. Run as a script it writes them into the checkout.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec

VERSION = "v1.36.0-local-strict"
TARGET = Path(__file__).parent / "src" / "longboat" / "machinery"
PREFIX = "#/$defs/"

SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}
LIST_TRAITS = ("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-patch-merge-key",
               "x-kubernetes-patch-strategy")  # fmt: skip


def definitions() -> dict[str, Any]:
    found = find_spec("kubernetes_validate")
    if found is None or found.origin is None:
        raise RuntimeError("kubernetes-validate is needed to build: pip install 'kubernetes-validate==1.36.*'")
    folder = Path(found.origin).parent / "kubernetes-json-schema" / VERSION
    loaded: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return loaded


def type_of(node: dict[str, Any]) -> str:
    """The JSON type, null aside: the source marks what may be absent with a null alternative."""
    kind = node.get("type")
    names = [kind] if isinstance(kind, str) else [k for k in kind or () if k != "null"]
    return names[0] if names else ""


def shape(node: dict[str, Any]) -> Any:
    """A field's shape: a scalar's name, or [tag, …]: ["ref", type], ["list", item, traits], ["map", value]."""
    if "$ref" in node:
        target = node["$ref"].removeprefix(PREFIX)
        return SCALARS.get(target) or ["ref", target]
    match type_of(node):
        case "array":
            return ["list", shape(node["items"]), [node.get(trait) or "" for trait in LIST_TRAITS]]
        case "object" if isinstance(node.get("additionalProperties"), dict):
            return ["map", shape(node["additionalProperties"])]
        case "string":
            return "bytes" if node.get("format") == "byte" else "string"
        case "integer":
            return node.get("format", "int64")
        case "number":
            return "double"
        case "boolean":
            return "boolean"
    return "any"


def compact(defs: dict[str, Any]) -> bytes:
    """{types: {type: {field: shape}}, kinds: {group/version/kind: type}, atomic: [type], replaced: {type: [field]},
    whole: {type: [field]}}.

    Atomic types and whole fields are one value to server-side apply, replaced fields to strategic merge patches.
    """
    types = {
        name: {field: shape(node) for field, node in (body.get("properties") or {}).items()}
        for name, body in defs.items()
        if name not in SCALARS
    }
    packed: bytes = msgspec.msgpack.encode(
        {
            "types": types,
            "kinds": kinds_of(defs),
            "atomic": sorted(name for name, body in defs.items() if body.get("x-kubernetes-map-type") == "atomic"),
            "replaced": marked(defs, "x-kubernetes-patch-strategy", "replace"),
            "whole": marked(defs, "x-kubernetes-map-type", "atomic"),
        }
    )
    return packed


def marked(defs: dict[str, Any], mark: str, value: str) -> dict[str, list[str]]:
    """The fields with a mark, by type."""
    found: dict[str, list[str]] = {}
    for name, body in defs.items():
        for field, node in (body.get("properties") or {}).items():
            if node.get(mark) == value:
                found.setdefault(name, []).append(field)
    return found


def published(node: dict[str, Any]) -> dict[str, Any]:
    """A definition as upstream's OpenAPI v3 documents have it: without the source's marks for what may be null."""
    out = {key: value for key, value in node.items() if key not in ("$ref", "enum")}
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = published(out[key])
    if out.get("additionalProperties") is False:
        del out["additionalProperties"]
    if "properties" in out:
        out["properties"] = {name: published(value) for name, value in out["properties"].items()}
    if "oneOf" in out:
        out["oneOf"] = [published(value) for value in out["oneOf"]]
    if isinstance(out.get("type"), list):
        out["type"] = type_of(node)
    if "$ref" in node:
        target = {"$ref": node["$ref"].replace(PREFIX, "#/components/schemas/")}
        return {"allOf": [target], **out} if out else target
    return out


# What the types say of themselves (`+default=` in k8s.io/api): by type and field.
_NAMED = ("ConfigMapEnvSource", "ConfigMapKeySelector", "ConfigMapProjection", "ConfigMapVolumeSource",
          "LocalObjectReference", "SecretEnvSource", "SecretKeySelector", "SecretProjection")  # fmt: skip
_CEPH = {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"}
_SCALE_IO = {"fsType": "xfs", "storageMode": "ThinProvisioned"}
DECLARED: dict[str, dict[str, Any]] = {
    **{f"io.k8s.api.core.v1.{name}": {"name": ""} for name in _NAMED},
    "io.k8s.api.core.v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False,
    },
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.GRPCAction": {"service": ""},
    "io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.RBDPersistentVolumeSource": _CEPH,
    "io.k8s.api.core.v1.RBDVolumeSource": _CEPH,
    "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource": _SCALE_IO,
    "io.k8s.api.core.v1.ScaleIOVolumeSource": _SCALE_IO,
    "io.k8s.api.resource.v1.DeviceToleration": {"operator": "Equal"},
}  # fmt: skip
ZERO: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False}


def with_defaults(body: dict[str, Any], facts: Any, declared: dict[str, Any]) -> dict[str, Any]:
    """A published definition with the defaults that upstream's generator writes: those declared, and the empty value of
    what Go always has, be it a field, an item or a map's value. Types that read JSON themselves have none.

    `facts` are a message's fields by name, as `machinery/messages.py` has them; None where it has none.
    """
    required, properties = body.get("required") or (), {}
    for field, node in (body.get("properties") or {}).items():
        fact = facts and facts.get(field)
        pointer = fact.pointer if fact else "$ref" in json.dumps(node.get("allOf", ()))
        always = fact.always if fact else facts is None and field in required
        properties[field] = inner_defaults(node if pointer else defaulted(node, always))
    for field, value in declared.items():
        rest = {key: kept for key, kept in properties[field].items() if key != "type"}
        properties[field] = {"type": properties[field]["type"], "default": value, **rest}
    return body | ({"properties": properties} if properties else {})


def defaulted(node: dict[str, Any], always: bool) -> dict[str, Any]:
    """`default` is never the first key: the older documents are cut from these by it."""
    reference = node.get("$ref") or next((part.get("$ref") for part in node.get("allOf") or ()), None)
    if reference is not None:
        if reference.rpartition("/")[2] in SCALARS:
            return node
        rest = {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
        return {"allOf": [{"$ref": reference}], "default": {}, **rest}
    if always and node.get("type") in ZERO and node.get("format") != "byte":
        rest = {key: value for key, value in node.items() if key != "type"}
        return {"type": node["type"], "default": ZERO[node["type"]], **rest}
    return node


def inner_defaults(node: dict[str, Any]) -> dict[str, Any]:
    found = dict(node)
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = inner_defaults(defaulted(found[key], True))
    return found


def messages() -> Any:
    """The package's own module, which needs nothing of the package."""
    spec = spec_from_file_location("messages", TARGET / "messages.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def references(node: dict[str, Any]) -> Iterator[str]:
    if "$ref" in node:
        yield node["$ref"].removeprefix(PREFIX)
    for inner in (node.get("items"), node.get("additionalProperties"), *(node.get("properties") or {}).values()):
        if isinstance(inner, dict):
            yield from references(inner)


def documents(defs: dict[str, Any]) -> bytes:
    """An index's length in four bytes, the index, then the definitions as JSON texts, to be cut out and joined.

    The index: {kinds: {group/version/kind: name}, types: {name: [offset of its text, length, names it refers to]}}.
    """
    for name, form in (("util.intstr.IntOrString", "int-or-string"), ("api.resource.Quantity", "")):
        body = defs[f"io.k8s.apimachinery.pkg.{name}"]
        body.update({"format": form} if form else {})
    texts, types, at, facts = [], {}, 0, messages().named
    for name, body in sorted(defs.items()):
        refers = sorted(set(references(body)))
        body = with_defaults(published(body), facts(name), DECLARED.get(name, {}))
        texts.append(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())
        types[name] = [at, len(texts[-1]), refers]
        at += len(texts[-1])
    index = msgspec.msgpack.encode({"kinds": kinds_of(defs), "types": types})
    return b"".join((len(index).to_bytes(4, "big"), index, *texts))


def kinds_of(defs: dict[str, Any]) -> dict[str, str]:
    return {
        f"{gvk['group']}/{gvk['version']}/{gvk['kind']}": name
        for name, body in defs.items()
        for gvk in body.get("x-kubernetes-group-version-kind", ())
    }


def check_numbers(defs: dict[str, Any]) -> None:
    """Raises RuntimeError unless `machinery/field_numbers.txt` has every field of what may be served: of all that kinds
    of versions that are neither alpha nor beta are made of, and of all other types that it has."""
    known, seen = messages(), set()

    def visit(name: str) -> None:
        if name not in seen and name not in SCALARS:
            seen.add(name)
            for inner in references(defs[name]):
                visit(inner)

    for gvk, name in kinds_of(defs).items():
        if re.fullmatch(r"v\d+", gvk.split("/")[1]) or known.numbered(name) is not None:
            visit(name)
    lacking = []
    for name in sorted(seen):
        fields, named = (defs[name].get("properties") or {}).keys() - {"kind", "apiVersion"}, known.named(name)
        if named is None or fields - named.keys():
            lacking.append(f"{name}: {', '.join(sorted(fields - (named or {}).keys())) or 'all'}")
    if lacking:
        raise RuntimeError("field_numbers.txt lacks\n  " + "\n  ".join(lacking))


def descriptors() -> bytes:
    """The .proto files as one FileDescriptorSet, with what they import."""
    from grpc_tools import protoc

    sources = TARGET / "protos"
    known = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos.bin"
        arguments = [f"--proto_path={sources}", f"--proto_path={known}", "--include_imports",
                     f"--descriptor_set_out={out}", *sorted(path.name for path in sources.glob("*.proto"))]  # fmt: skip
        if protoc.main(["protoc", *arguments]):
            raise RuntimeError(f"cannot compile the .proto files in {sources}")
        return out.read_bytes()


def write(target: Path) -> list[Path]:
    defs = definitions()
    check_numbers(defs)
    files = {"schema.bin": compact(defs), "openapi.bin": documents(defs), "protos.bin": descriptors()}
    for name, content in files.items():
        partial = target / f".{name}.new"  # replaced at once: a server may be starting
        partial.write_bytes(content)
        partial.replace(target / name)
    return [target / name for name in files]


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, outside a build
    BuildHookInterface = object  # type: ignore[assignment,misc]


class SchemaHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build_data["artifacts"] += [f"/src/longboat/machinery/{path.name}" for path in write(TARGET)]


if __name__ == "__main__":
    for path in write(TARGET):
        print(f"{path.name}: {path.stat().st_size} bytes")  # noqa: T201
