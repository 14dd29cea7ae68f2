"""Stock kubectl, a program in Go, reads what it is answered in protobuf: its typed clients ask for that first."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import KUBECTLS, control_plane

CREATED = (
    ("deployment", "web", "--image=nginx", "--replicas=2", "--port=80"),
    ("ingress", "in", "--rule=a.example.com/b*=web:80,tls=secret"),
    ("quota", "few", "--hard=pods=2,cpu=500m,memory=1Gi"),
    ("poddisruptionbudget", "half", "--selector=app=web", "--min-available=50%"),
    ("configmap", "one", "--from-literal=a=ü"),
)


def set_in(value: Any) -> Any:
    """Without what is null or empty, which older kubectls print."""
    if isinstance(value, dict):
        kept = {key: set_in(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, {}, [])}
    return [set_in(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.skipif(not KUBECTLS, reason="needs kubectl")
def test_kubectl_reads_the_same_object_in_protobuf_and_in_json(tmp_path: Path) -> None:
    with control_plane(tmp_path, "--only", "api") as plane:
        for kind, name, *flags in CREATED:
            made = plane.kubectl(KUBECTLS[-1], "-v=8", "create", kind, name, *flags, "-o", "json")
            assert made.returncode == 0, made.stderr
            types = re.findall(r"Content-Type: (\S+)", made.stderr)
            assert types == ["application/vnd.kubernetes.protobuf"] * 2, "sent and answered"
            got = plane.kubectl(KUBECTLS[-1], "get", kind, name, "-o", "json")
            assert set_in(json.loads(made.stdout)) == set_in(json.loads(got.stdout))
        told = plane.kubectl(KUBECTLS[-1], "create", "deployment", "web", "--image=nginx")
        assert told.stderr == 'error: failed to create deployment: deployments.apps "web" already exists\n'
        described = plane.kubectl(KUBECTLS[-1], "describe", "deployment", "web").stdout
        assert "2 desired" in described and "nginx" in described
