"""Schemas of custom kinds, as stock kubectl finds them in OpenAPI documents (CustomResourcePublishOpenAPI)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conformance import stage
from integration.apiserver.process import KUBECTLS, ControlPlane, control_plane
from longboat.machinery.objects import Object

pytestmark = pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")

TEXT: Object = {"type": "string"}
OBJECT: Object = {"type": "object"}


def described(text: str, of: Object, **more: Any) -> Object:
    return {"description": text, **of, **more}


def of(**fields: Any) -> Object:
    return {"type": "object", "properties": fields}


def items(of: Object) -> Object:
    return {"type": "array", "items": of}


BARS = items(of(
    name=described("Name of Bar.", TEXT), age=described("Age of Bar.", TEXT),
    feeling=described("Whether Bar is feeling great.", TEXT, enum=["Great", "Down"]),
    bazs=described("List of Bazs.", items(TEXT)),
) | {"required": ["name"]})  # fmt: skip
FOO = described("Foo CRD for Testing", of(
    spec=described("Specification of Foo", of(bars=described("List of Bars and their specs.", BARS))),
    status=described("Status of Foo", of(bars=described("List of Bars and their statuses.", items(of(
        name=described("Name of Bar.", TEXT), available=described("Whether the Bar is installed.", {"type": "boolean"}),
        quxType=described("Indicates to external qux type.", TEXT, pattern="in-tree|out-of-tree"),
    ))))),
))  # fmt: skip
KEPT: Object = {"x-kubernetes-preserve-unknown-fields": True}


def waldo(text: str, *, root: Object | None = None, spec: Object | None = None) -> Object:
    found = of(dummy=described("Dummy property.", OBJECT))
    status = of(bars=described("List of Bars and their statuses.", items(OBJECT)))
    return (root or {}) | described(text, of(
        spec=described("Specification of Waldo", found | (spec or {})), status=described("Status of Waldo", status),
    ))  # fmt: skip


class Scene:
    """A custom kind, and a kubectl."""

    def __init__(self, plane: ControlPlane, binary: str, suffix: str, schema: Object) -> None:
        self._plane, self._binary, self._schema = plane, binary, schema
        self.group = f"publish-{suffix}.example.com"
        self.kind, self.plural = f"E2e-test-{suffix}", f"e2e-test-{suffix}s"

    def __enter__(self) -> Scene:
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": self._schema}}
        names = {"plural": self.plural, "singular": self.plural[:-1], "kind": f"{self.kind}-crd"}
        names["listKind"] = f"{names['kind']}List"
        spec = {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]}
        meta = {"name": f"{self.plural}.{self.group}"}
        self.ok(
            "create", "-f", "-",
            text={"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta,
                  "spec": spec},
        )  # fmt: skip
        self.ok("wait", "--for=condition=Established", "--timeout=10s", f"crd/{meta['name']}")
        return self

    def __exit__(self, *why: object) -> None:
        self.ok("delete", "crd", f"{self.plural}.{self.group}")
        assert self.published() is None

    def run(self, *arguments: str, text: Any = "") -> subprocess.CompletedProcess[str]:
        return self._plane.kubectl(self._binary, *arguments, text=text if isinstance(text, str) else json.dumps(text))

    def ok(self, *arguments: str, text: Any = "") -> str:
        done = self.run(*arguments, text=text)
        assert (done.returncode, done.stderr) == (0, ""), f"{arguments}: {done.stderr}"
        return done.stdout

    def refused(self, verb: str, why: str, **body: Any) -> None:
        done = self.run(verb, "-f", "-", text=self.obj(**body))
        assert done.returncode == 1
        assert why in done.stderr

    def obj(self, **body: Any) -> Object:
        return {"kind": f"{self.kind}-crd", "apiVersion": f"{self.group}/v1", "metadata": {"name": "test-cr"}, **body}

    def accepts(self, *, applied: Object | None = None, **body: Any) -> None:
        """`applied`: what is left of the body when it is applied, which sends no nulls."""
        for verb in ("create", "apply"):
            self.ok(verb, "-f", "-", text=self.obj(**body))
            stored = json.loads(self.ok("get", self.plural, "test-cr", "-o", "json"))
            assert {field: stored.get(field) for field in body} == ((verb == "apply" and applied) or body)
            self.ok("delete", self.plural, "test-cr")

    def explains(self, pattern: str, path: str = "") -> None:
        said = self.ok("explain", self.plural + path)
        assert re.search(pattern, said, re.DOTALL), said

    def published(self) -> Object | None:
        """What the document of everything says of the kind, but for what every kind has."""
        name = ".".join([*reversed(self.group.split(".")), "v1", f"{self.kind}-crd"])
        found: Object | None = self._plane.ask("GET", "/openapi/v2")[1]["definitions"].get(name)
        if found is None:
            return None
        own = {key: value for key, value in found.items() if key != "x-kubernetes-group-version-kind"}
        every = ("apiVersion", "kind", "metadata")
        properties = {key: value for key, value in own.pop("properties", {}).items() if key not in every}
        return own | ({"properties": properties} if properties else {})


Make = Callable[[str, Object], Scene]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(params=KUBECTLS)
def kind(
    plane: ControlPlane, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[Make]:
    record_property(stage.WHERE, "API")
    yield lambda suffix, schema: Scene(plane, request.param, suffix, schema)


def test_with_a_schema(kind: Make) -> None:
    """Conformance: Custom Resource OpenAPI Publish, with validation schema"""
    with kind("foo", FOO) as foo:
        assert foo.published() == FOO
        foo.accepts(spec={"bars": [{"name": "test-bar"}]})
        bad = {"bars": [{"name": "test-bar", "feeling": "NonExistentValue"}]}
        foo.refused("create", 'Unsupported value: "NonExistentValue"', spec=bad)
        for verb in ("create", "apply"):
            foo.refused(verb, 'unknown field "spec.foo"', spec={"foo": True})
            foo.refused(verb, "spec.bars[0].name: Required value", spec={"bars": [{"age": "10"}]})
        fields = "DESCRIPTION:.*Foo CRD for Testing.*FIELDS:.*apiVersion.*<string>.*APIVersion defines.*"
        foo.explains(fields + "spec.*<Object>.*Specification of Foo")
        meta = "DESCRIPTION:.*Standard object's metadata.*FIELDS:.*creationTimestamp.*<string>.*"
        foo.explains(meta + "CreationTimestamp is a timestamp", ".metadata")
        spec = r"DESCRIPTION:.*Specification of Foo.*FIELDS:.*bars.*<\[\]Object>.*List of Bars and their specs"
        foo.explains(spec, ".spec")
        bars = r"(FIELD|RESOURCE):.*bars.*<\[\]Object>.*DESCRIPTION:.*List of Bars and their specs.*FIELDS:.*"
        foo.explains(bars + r"bazs.*<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar", ".spec.bars")
        nothing = foo.run("explain", f"{foo.plural}.spec.bars2")
        assert nothing.returncode == 1
        assert 'field "bars2" does not exist' in nothing.stderr


def test_without_one(kind: Make) -> None:
    """Conformance: Custom Resource OpenAPI Publish, with x-kubernetes-preserve-unknown-fields in object"""
    with kind("empty", OBJECT | KEPT) as empty:
        empty.accepts(a={"b": [{"c": "d"}]})
        empty.explains("DESCRIPTION:.*<empty>")
        assert empty.published() == OBJECT


def test_what_is_kept_at_the_root(kind: Make) -> None:
    """Conformance: Custom Resource OpenAPI Publish, with x-kubernetes-preserve-unknown-fields at root"""
    with kind("root", waldo("preserve-unknown-properties at root for Testing", root=KEPT)) as root:
        root.accepts(a={"b": [{"c": "d"}]})
        root.explains(f"KIND:.*{root.kind}")
        assert root.published() == OBJECT


def test_what_is_kept_within(kind: Make) -> None:
    """Conformance: Custom Resource OpenAPI Publish, with x-kubernetes-preserve-unknown-fields in embedded object"""
    text = "preserve-unknown-properties in nested field for Testing"
    with kind("nested", waldo(text, spec=KEPT)) as nested:
        nested.accepts(applied={"spec": {"b": [{"c": "d"}]}}, spec={"a": None, "b": [{"c": "d"}]})
        nested.explains(f"DESCRIPTION:.*{text}")
        published = nested.published()
        assert published is not None
        assert published["properties"]["spec"] == described("Specification of Waldo", KEPT), "nobody checks by it"
