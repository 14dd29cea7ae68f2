"""Stock kubectl on a custom kind, against `longboat server` as a process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from integration.apiserver.process import KUBECTLS, control_plane

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.sea.example.com"},
    "spec": {
        "group": "sea.example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat", "shortNames": ["bt"], "categories": ["all"]},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {
                "type": "object", "description": "Something that floats.",
                "properties": {
                    "spec": {
                        "type": "object", "required": ["home"],
                        "properties": {
                            "home": {"type": "string", "description": "Where it belongs."},
                            "crew": {"type": "integer", "x-kubernetes-validations": [{"rule": "self <= 20"}]},
                        },
                    },
                    "status": {"type": "object", "properties": {
                        "crew": {"type": "integer"}, "phase": {"type": "string"}}},
                },
            }},
            "subresources": {"status": {}, "scale": {
                "specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}},
            "additionalPrinterColumns": [
                {"name": "Home", "type": "string", "jsonPath": ".spec.home"},
                {"name": "Crew", "type": "integer", "jsonPath": ".spec.crew"},
            ],
        }],
    },
}  # fmt: skip
BOAT = {
    "apiVersion": "sea.example.com/v1", "kind": "Boat", "metadata": {"name": "anna"},
    "spec": {"home": "Kiel", "crew": 3},
}  # fmt: skip


@pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")
def test_kubectl(tmp_path: Path) -> None:
    with control_plane(tmp_path) as plane:

        def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
            return plane.kubectl(KUBECTLS[0], *arguments, text=text)

        def said(*arguments: str, text: str = "") -> str:
            done = run(*arguments, text=text)
            assert done.returncode == 0, done.stderr
            return str(done.stdout)

        assert "created" in said("apply", "-f", "-", text=json.dumps(DEFINITION))
        said("wait", "--for=condition=Established", "--timeout=10s", "crd/boats.sea.example.com")
        assert "boats" in said("api-resources", "--api-group=sea.example.com")
        assert "created" in said("apply", "--validate=strict", "-f", "-", text=json.dumps(BOAT))
        assert "unchanged" in said("apply", "-f", "-", text=json.dumps(BOAT))
        assert said("get", "bt").split() == ["NAME", "HOME", "CREW", "anna", "Kiel", "3"]
        assert "boat.sea.example.com/anna" in said("get", "all")
        explained = said("explain", "boat.spec.home")
        assert "Where it belongs." in explained
        assert "Something that floats." in said("explain", "boats")
        said("scale", "boat/anna", "--replicas=7")
        assert said("get", "boat", "anna", "-o", "jsonpath={.spec.crew}") == "7"
        said("patch", "boat", "anna", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Afloat"}}')
        said("wait", "--for=jsonpath={.status.phase}=Afloat", "--timeout=10s", "boat/anna")
        unknown = BOAT | {"spec": {"home": "Kiel", "mast": 2}}
        refused = run("apply", "--validate=strict", "-f", "-", text=json.dumps(unknown))
        assert refused.returncode != 0
        assert 'unknown field "spec.mast"' in refused.stderr
        refused = run("scale", "boat/anna", "--replicas=21")
        assert "failed rule: self <= 20" in refused.stderr
        said("delete", "crd", "boats.sea.example.com")
        gone = run("get", "boats")
        assert "NotFound" in gone.stderr  # kubectl knows it from before
