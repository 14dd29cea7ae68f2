"""Stock kubectl on a custom kind as on a built-in one, against `longboat server` as a process: what it prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import KUBECTLS, ControlPlane, control_plane
from longboat.machinery.objects import Object

pytestmark = pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")

GROUP = "sea.example.com"
NUMBER: Object = {"type": "integer"}
TEXT: Object = {"type": "string"}


def of(**fields: Any) -> Object:
    return {"type": "object", "properties": fields}


BERTH = of(name=TEXT, berth=NUMBER) | {"required": ["name"]}
PORTS = {"type": "array", "items": BERTH, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
CONDITIONS = {"type": "array", "items": of(type=TEXT, status=TEXT)}
SCHEMA = {"description": "Something that floats."} | of(
    spec={"description": "What is wanted.", "required": ["home"]} | of(
        home={"type": "string", "description": "Where it belongs."}, ports=PORTS,
        crew={"type": "integer", "x-kubernetes-validations": [{"rule": "self <= 20"}]},
    ),
    status=of(crew=NUMBER, phase=TEXT, conditions=CONDITIONS),
)  # fmt: skip
VERSION = {
    "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA},
    "subresources": {"status": {}, "scale": {
        "specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}},
    "additionalPrinterColumns": [
        {"name": "Home", "type": "string", "jsonPath": ".spec.home"},
        {"name": "Crew", "type": "integer", "jsonPath": ".spec.crew"},
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
    ],
}  # fmt: skip
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": f"boats.{GROUP}"},
    "spec": {
        "group": GROUP, "scope": "Namespaced", "versions": [VERSION],
        "names": {"plural": "boats", "kind": "Boat", "shortNames": ["bt"], "categories": ["all"]},
    },
}  # fmt: skip


def boat(name: str, number: int = 3, **more: Any) -> Object:
    meta = {"name": name, "labels": {"set": name}}
    spec = {"home": "Kiel", "crew": number, **more}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Boat", "metadata": meta, "spec": spec}


def deployment(name: str, number: int = 3, **more: Any) -> Object:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    meta = {"name": name, "labels": {"set": name}}
    spec = {"replicas": number, "selector": {"matchLabels": {"app": name}}, "template": pod, **more}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


@dataclass(frozen=True)
class Thing:
    """A kind with a number: how kubectl is asked for it, and how it calls it."""

    short: str
    plural: str
    number: str
    full: str
    version: str

    def make(self, name: str, number: int = 3, **more: Any) -> Object:
        return (boat if self.short == "bt" else deployment)(name, number, **more)


BOATS = Thing("bt", "boats", "crew", f"boat.{GROUP}", f"{GROUP}/v1/Boat")
DEPLOYMENTS = Thing("deploy", "deployments", "replicas", "deployment.apps", "apps/v1/Deployment")
both = pytest.mark.parametrize("thing", [BOATS, DEPLOYMENTS], ids=["custom", "built-in"])


class Said(str):
    err: str
    code: int


class Kubectl:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def run(self, *arguments: str, text: Any = "") -> Said:
        text = text if isinstance(text, str) else json.dumps(text)
        done = self._plane.kubectl(KUBECTLS[-1], *arguments, text=text)
        said = Said(done.stdout)
        said.err, said.code = done.stderr, done.returncode
        return said

    def __call__(self, *arguments: str, text: Any = "") -> str:
        said = self.run(*arguments, text=text)
        assert (said.code, said.err) == (0, ""), f"{arguments}: {said}{said.err}"
        return str(said)

    def fails(self, *arguments: str, text: Any = "") -> str:
        said = self.run(*arguments, text=text)
        assert said.code == 1, f"{arguments}: {said}"
        return said.err

    def apply(self, *objects: Object, more: tuple[str, ...] = ()) -> str:
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self("apply", *more, "-f", "-", text=objects[0] if len(objects) == 1 else document)

    def get(self, thing: Thing, name: str) -> Any:
        return json.loads(self("get", thing.short, name, "-o", "json", "--show-managed-fields"))


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        found = Kubectl(plane)
        assert found.apply(DEFINITION) == f"customresourcedefinition.apiextensions.k8s.io/boats.{GROUP} created\n"
        told = found("wait", "--for=condition=Established", "--timeout=10s", f"crd/boats.{GROUP}")
        assert told == f"customresourcedefinition.apiextensions.k8s.io/boats.{GROUP} condition met\n"
        yield found
        assert "deleted" in found("delete", "crd", f"boats.{GROUP}")
        assert "NotFound" in found.fails("get", "boats")  # kubectl knows it from before


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_what_there_is(kubectl: Kubectl) -> None:
    listed = rows(kubectl("api-resources", f"--api-group={GROUP}"))
    assert listed[1] == ["boats", "bt", f"{GROUP}/v1", "true", "Boat"]
    verbs = "delete,deletecollection,get,list,patch,create,update,watch"
    assert rows(kubectl("api-resources", f"--api-group={GROUP}", "-o", "wide"))[1][-2:] == [verbs, "all"]
    assert "boats" in kubectl("api-resources", "--categories=all", "-o", "name")
    assert f"{GROUP}/v1" in kubectl("api-versions").splitlines()
    described = kubectl("describe", "crd", f"boats.{GROUP}")
    assert "the initial names have been accepted" in described
    assert rows(kubectl("get", "crd"))[0] == ["NAME", "CREATED", "AT"]


def test_columns(kubectl: Kubectl) -> None:
    kubectl.apply(boat("anna"))
    kubectl("patch", "bt", "anna", "--type=merge", "--subresource=status", "-p", '{"status":{"phase":"Afloat"}}')
    assert rows(kubectl("get", "boats", "anna")) == [["NAME", "HOME", "CREW"], ["anna", "Kiel", "3"]]
    assert rows(kubectl("get", f"boats.v1.{GROUP}", "anna", "-o", "wide"))[1] == ["anna", "Kiel", "3", "Afloat"]
    assert rows(kubectl("get", "bt", "-l", "set=anna", "--show-labels"))[1][-1] == "set=anna"
    assert kubectl("get", "boat/anna", "-o", "custom-columns=N:.metadata.name,C:.spec.crew") == "N      C\nanna   3\n"
    assert f"boat.{GROUP}/anna" in kubectl("get", "all", "-o", "name").splitlines()
    assert kubectl("get", "bt", "anna", "--subresource=status", "-o", "jsonpath={.status.phase}") == "Afloat"
    assert "is not a known field selector" in kubectl.fails("get", "bt", "--field-selector=spec.home=Kiel")


@both
def test_scaling(kubectl: Kubectl, thing: Thing) -> None:
    kubectl.apply(thing.make("big"))
    assert kubectl("scale", f"{thing.short}/big", "--replicas=9") == f"{thing.full}/big scaled\n"
    expected = kubectl.fails("scale", f"{thing.short}/big", "--replicas=8", "--current-replicas=3")
    assert expected == "error: Expected replicas to be 3, was 9\n"
    head, row = rows(kubectl("get", thing.short, "big", "--subresource=scale"))
    assert (head, row[:2], len(row)) == (["NAME", "DESIRED", "AVAILABLE", "AGE"], ["big", "9"], 4)
    assert kubectl.get(thing, "big")["spec"][thing.number] == 9
    if thing is BOATS:
        refused = kubectl.fails("scale", "bt/big", "--replicas=21")
        assert refused == 'The Boat "big" is invalid: spec.crew: Invalid value: 21: failed rule: self <= 20\n'


def test_explaining(kubectl: Kubectl) -> None:
    said = kubectl("explain", "bt")
    assert re.match(rf"GROUP:\s+{GROUP}\nKIND:\s+Boat\nVERSION:\s+v1\n\nDESCRIPTION:\n\s+Something that floats\.", said)
    assert re.search(r"metadata\t<ObjectMeta>.*spec\t<Object>\n\s+What is wanted\.", said, re.DOTALL)
    assert re.search(
        r"FIELD: home <string>\n\n+DESCRIPTION:\n\s+Where it belongs\.", kubectl("explain", "bt.spec.home")
    )
    assert "  home\t<string> -required-\n    Where it belongs.\n" in kubectl("explain", "boat.spec")
    whole = kubectl("explain", "boats", "--recursive")
    assert "    ports\t<[]Object>\n      berth\t<integer>\n      name\t<string> -required-\n" in whole
    assert "ownerReferences\t<[]OwnerReference>" in whole
    assert kubectl.fails("explain", "boats.spec.mast") == 'error: field "mast" does not exist\n'


@both
def test_server_side_apply(kubectl: Kubectl, thing: Thing) -> None:
    side = ("--server-side",)
    assert kubectl.apply(thing.make("own"), more=side) == f"{thing.full}/own serverside-applied\n"
    before = kubectl.get(thing, "own")["metadata"]
    kubectl.apply(thing.make("own"), more=side)
    again = kubectl.get(thing, "own")["metadata"]
    assert [e for e in again["managedFields"] if e["operation"] == "Apply"] == [
        e for e in before["managedFields"] if e["operation"] == "Apply"
    ]
    other = ("--server-side", "--field-manager=other")
    conflict = kubectl.fails("apply", *other, "-f", "-", text=thing.make("own", 4))
    assert f'Apply failed with 1 conflict: conflict with "kubectl": .spec.{thing.number}\n' in conflict
    kubectl.apply(thing.make("own", 4), more=(*other, "--force-conflicts"))
    found = kubectl.get(thing, "own")
    assert found["spec"][thing.number] == 4
    owners = {e["manager"]: e["fieldsV1"] for e in found["metadata"]["managedFields"] if e["operation"] == "Apply"}
    number = f"f:{thing.number}"
    assert number in owners["other"]["f:spec"]
    assert number not in owners["kubectl"]["f:spec"]


@both
def test_takeover_from_client_side_apply(kubectl: Kubectl, thing: Thing) -> None:
    kubectl.apply(thing.make("mine"))
    kubectl.apply(thing.make("mine", 5), more=("--server-side",))
    found = kubectl.get(thing, "mine")
    assert found["spec"][thing.number] == 5
    assert "kubectl-client-side-apply" not in {entry["manager"] for entry in found["metadata"]["managedFields"]}


@both
def test_differences(kubectl: Kubectl, thing: Thing) -> None:
    kubectl.apply(thing.make("same"))
    assert kubectl("diff", "-f", "-", text=thing.make("same")) == ""
    for more in ((), ("--server-side", "--force-conflicts", "--field-manager=other")):
        said = kubectl.run("diff", *more, "-f", "-", text=thing.make("same", 5))
        lines = said.splitlines()
        assert (said.code, said.err) == (1, "")
        assert f"-  {thing.number}: 3" in lines
        assert f"+  {thing.number}: 5" in lines
    assert kubectl.get(thing, "same")["spec"][thing.number] == 3


@both
def test_labels_and_patches(kubectl: Kubectl, thing: Thing) -> None:
    kubectl.apply(thing.make("told"))
    what = (thing.short, "told")
    assert kubectl("label", *what, "tier=front") == f"{thing.full}/told labeled\n"
    assert kubectl("label", *what, "tier=front") == f"{thing.full}/told not labeled\n"
    taken = "error: 'tier' already has a value (front), and --overwrite is false\n"
    assert kubectl.fails("label", *what, "tier=back") == taken
    assert kubectl("label", *what, "tier-") == f"{thing.full}/told unlabeled\n"
    assert kubectl("annotate", *what, "a=b", "--field-manager=me") == f"{thing.full}/told annotated\n"
    assert "me" in {entry["manager"] for entry in kubectl.get(thing, "told")["metadata"]["managedFields"]}
    merge = json.dumps({"spec": {thing.number: 6}})
    assert kubectl("patch", *what, "--type=merge", "-p", merge) == f"{thing.full}/told patched\n"
    assert kubectl("patch", *what, "--type=merge", "-p", merge) == f"{thing.full}/told patched (no change)\n"
    steps = json.dumps([{"op": "replace", "path": f"/spec/{thing.number}", "value": 7}])
    assert kubectl("patch", *what, "--type=json", "-p", steps) == f"{thing.full}/told patched\n"
    strategic = ("patch", *what, "-p", json.dumps({"spec": {thing.number: 8}}))
    if thing is BOATS:
        why = "application/strategic-merge-patch+json is not supported by sea.example.com/v1, Kind=Boat: "
        assert why in kubectl.fails(*strategic)
    else:
        assert kubectl(*strategic) == f"{thing.full}/told patched\n"
    assert kubectl.get(thing, "told")["spec"][thing.number] == (7 if thing is BOATS else 8)


@both
def test_editing(kubectl: Kubectl, thing: Thing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl.apply(thing.make("text", 3))
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\nsed -i 's/{thing.number}: 3/{thing.number}: '$NUMBER/ \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("KUBE_EDITOR", str(editor))
    monkeypatch.setenv("NUMBER", "3")
    assert kubectl.run("edit", thing.short, "text").err == "Edit cancelled, no changes made.\n"
    monkeypatch.setenv("NUMBER", "-1" if thing is DEPLOYMENTS else "21")
    refused = kubectl.fails("edit", thing.short, "text")
    assert '"text" is invalid\n' in refused
    monkeypatch.setenv("NUMBER", "11")
    assert kubectl("edit", thing.short, "text") == f"{thing.full}/text edited\n"
    assert kubectl.get(thing, "text")["spec"][thing.number] == 11


def test_editing_a_status(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl.apply(boat("ill"))
    kubectl("patch", "bt", "ill", "--type=merge", "--subresource=status", "-p", '{"status":{"phase":"Afloat"}}')
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/Afloat/Moored/")
    assert kubectl("edit", "bt", "ill", "--subresource=status") == f"boat.{GROUP}/ill edited\n"
    assert kubectl.get(BOATS, "ill")["status"] == {"phase": "Moored"}


def test_waiting(kubectl: Kubectl) -> None:
    kubectl.apply(boat("late"))
    status = {"status": {"phase": "Afloat", "conditions": [{"type": "Ready", "status": "True"}]}}
    kubectl("patch", "bt", "late", "--type=merge", "--subresource=status", "-p", json.dumps(status))
    for condition in ("jsonpath={.status.phase}=Afloat", "condition=Ready", "create"):
        assert kubectl("wait", f"--for={condition}", "--timeout=5s", "bt/late") == f"boat.{GROUP}/late condition met\n"
    late = kubectl.fails("wait", "--for=jsonpath={.status.phase}=Sunk", "--timeout=0.1s", "bt/late")
    assert "error: timed out waiting for the condition on boats/late\n" in late


@both
def test_pruning(kubectl: Kubectl, thing: Thing, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, other = thing.make("one"), thing.make("two"), thing.make("other")
    for each in (one, two):
        each["metadata"]["labels"] = {"set": "pruned"}
    kubectl.apply(other)
    prune = ("--prune", "-l", "set=pruned", f"--prune-allowlist={thing.version}")
    assert kubectl.apply(one, two, more=prune) == f"{thing.full}/one created\n{thing.full}/two created\n"
    assert kubectl.apply(one, more=prune) == f"{thing.full}/one unchanged\n{thing.full}/two pruned\n"
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    dock = f"dock-{thing.short}"
    kubectl("create", "namespace", dock)
    of_set = ("-n", dock, "--prune", "--applyset=fleet")
    assert kubectl.apply(one, two, more=of_set) == f"{thing.full}/one created\n{thing.full}/two created\n"
    assert kubectl.apply(one, more=of_set) == f"{thing.full}/one unchanged\n{thing.full}/two pruned\n"
    kinds = json.loads(kubectl("get", "secret", "fleet", "-n", dock, "-o", "json"))["metadata"]["annotations"]
    group, _, kind = thing.version.replace("/v1", "").partition("/")
    assert kinds["applyset.kubernetes.io/contains-group-kinds"] == f"{kind}.{group}"
    assert kubectl("get", thing.short, "other", "-o", "name") == f"{thing.full}/other\n"


@both
def test_replacing_and_deleting(kubectl: Kubectl, thing: Thing) -> None:
    kubectl("create", "-f", "-", text=thing.make("old"))
    again = kubectl.fails("create", "-f", "-", text=thing.make("old"))
    resource = thing.plural + thing.full[thing.full.index(".") :]
    assert again.endswith(f'error when creating "STDIN": {resource} "old" already exists\n')
    before = kubectl.get(thing, "old")["metadata"]["uid"]
    assert kubectl("replace", "-f", "-", text=thing.make("old", 2)) == f"{thing.full}/old replaced\n"
    assert kubectl.get(thing, "old")["metadata"]["uid"] == before
    assert f"{thing.full}/old replaced" in kubectl("replace", "--force", "-f", "-", text=thing.make("old", 2))
    assert kubectl.get(thing, "old")["metadata"]["uid"] != before
    nobody = kubectl.fails("replace", "-f", "-", text=thing.make("nobody"))
    assert nobody.endswith(f'{resource} "nobody" not found\n')
    dry = kubectl("delete", thing.short, "old", "--dry-run=server")
    assert dry.startswith(f'{thing.full} "old" deleted')
    assert dry.endswith("(server dry run)\n")
    for cascade in ("background", "orphan")[: 1 + (thing is DEPLOYMENTS)]:  # collectors learn of a new kind later
        deleted = kubectl("delete", thing.short, "old", f"--cascade={cascade}")
        assert deleted.startswith(f'{thing.full} "old" deleted')
        kubectl.apply(thing.make("old"))
    gone = kubectl.fails("delete", thing.short, "nobody")
    assert gone == f'Error from server (NotFound): {resource} "nobody" not found\n'
    assert kubectl("delete", thing.short, "nobody", "--ignore-not-found") == ""


@both
def test_strictness(kubectl: Kubectl, thing: Thing) -> None:
    odd = thing.make("odd", mast=3)
    refused = kubectl.fails("apply", "--validate=strict", "-f", "-", text=odd)
    assert 'strict decoding error: unknown field "spec.mast"' in refused
    said = kubectl.run("apply", "--validate=warn", "-f", "-", text=odd)
    assert (said, said.code, said.err) == (f"{thing.full}/odd created\n", 0, 'Warning: unknown field "spec.mast"\n')
    assert kubectl("apply", "--validate=ignore", "-f", "-", text=odd) == f"{thing.full}/odd configured\n"
    assert "mast" not in kubectl.get(thing, "odd")["spec"]
    assert kubectl("create", "--dry-run=server", "-f", "-", text=thing.make("dry")).endswith(
        "created (server dry run)\n"
    )
    assert kubectl("get", thing.short, "dry", "--ignore-not-found") == ""


def test_what_does_not_fit(kubectl: Kubectl) -> None:
    refused = kubectl.fails("create", "-f", "-", text=boat("bad", home=3))
    assert 'The Boat "bad" is invalid: \n* spec.home: Invalid value: "integer": spec.home in body must be' in refused
    untold = boat("bad")
    del untold["spec"]["home"]
    assert "* spec.home: Required value\n" in kubectl.fails("create", "-f", "-", text=untold)


@both
def test_describing(kubectl: Kubectl, thing: Thing) -> None:
    kubectl.apply(thing.make("seen"))
    said = kubectl("describe", thing.short, "seen")
    assert re.match(r"Name:\s+seen\nNamespace:\s+default\n", said)
    if thing is BOATS:
        assert re.search(rf"API Version:\s+{GROUP}/v1\nKind:\s+Boat\n", said)
        assert re.search(r"Spec:\n  Crew:  3\n  Home:  Kiel\nEvents:\s+<none>\n", said)


def test_rights(kubectl: Kubectl) -> None:
    kubectl.apply(boat("safe"))
    kubectl("create", "clusterrole", "boater", "--verb=get,list", f"--resource=boats.{GROUP},boats.{GROUP}/status")
    kubectl("create", "clusterrolebinding", "boater", "--clusterrole=boater", "--user=joe")
    for asked in (("list", "boats"), ("get", "boats", "--subresource=status"), ("get", f"boats.{GROUP}/safe")):
        assert kubectl("auth", "can-i", *asked, "--as=joe") == "yes\n"
    for asked in (
        ("delete", "boats"),
        ("update", "boats", "--subresource=status"),
        ("get", "boats", "--subresource=scale"),
    ):
        assert kubectl.run("auth", "can-i", *asked, "--as=joe") == "no\n"
    assert [f"boats.{GROUP}", "[]", "[]", "[get", "list]"] in rows(kubectl("auth", "can-i", "--list", "--as=joe"))
    refused = kubectl.fails("delete", "boats", "safe", "--as=joe")
    why = f'User "joe" cannot delete resource "boats" in API group "{GROUP}" in the namespace "default"'
    assert refused == f'Error from server (Forbidden): boats.{GROUP} "safe" is forbidden: {why}\n'
