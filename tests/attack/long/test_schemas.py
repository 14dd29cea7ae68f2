"""Requests out of our OpenAPI documents to an API server alone: no answer of 500 and above but upstream's, none unlike
what the document says. `make fuzz` runs it.

LONGBOAT_FUZZ_MINUTES says how long in all, LONGBOAT_SEED repeats a run. The document says nothing of most errors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attack.long.answers import Answers
from attack.long.judging import allowed
from integration.apiserver.process import ControlPlane, control_plane
from oracle.corpus import bases

MINUTES = float(os.environ.get("LONGBOAT_FUZZ_MINUTES") or 10)
FUZZER, NAMESPACE, TOKEN = Path(__file__).parent / "schema_fuzzer.py", "fuzz", "token-of-the-owner"
MEDDLING = (
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "ResourceQuota",
    "LimitRange",
)  # with all the rest
FLAGS = {
    "anonymous": (),
    "owner": ("--namespace", NAMESPACE, "--within"),
    "admin": ("--dry-run", "--namespace", NAMESPACE),
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With a namespace, and somebody who may do all in it."""
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "tokens.csv").write_text(f"{TOKEN},owner,1\n")
    with control_plane(folder, "--token-file", str(folder / "tokens.csv"), "--no-warn-unenforced") as plane:
        assert plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})[0] == 201
        rbac = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "owner"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "User", "apiGroup": rbac, "name": "owner"}],
        }
        assert plane.ask("POST", f"/apis/{rbac}/v1/namespaces/{NAMESPACE}/rolebindings", binding)[0] == 201
        furnish(plane)
        yield plane


def furnish(plane: ControlPlane) -> None:
    """An object of most kinds, in the namespace where it is in one: it has the name that the fuzzer asks for most."""
    made = 0
    for (version, kind), (known, *_) in bases().items():
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        parts = plane.ask("GET", root)[1].get("resources", ())
        part = next((each for each in parts if each["kind"] == kind and "/" not in each["name"]), None)
        if part is not None and version.partition("/")[0] not in MEDDLING and kind not in MEDDLING:
            where = f"namespaces/{NAMESPACE}/{part['name']}" if part["namespaced"] else part["name"]
            body = {**known, "metadata": {"name": "fuzz"}}
            made += plane.ask("POST", f"{root}/{where}", body)[0] == 201
    assert made > 30, f"{made} were accepted"


def test_what_does_not_fit_is_seen(plane: ControlPlane) -> None:
    """A deployment as it is, with nulls, and with things that the document does not have so. Nobody deletes it yet."""
    path, one = (
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
        "/apis/apps/v1/namespaces/fuzz/deployments/fuzz",
    )
    status, found, headers = plane.ask("GET", one)
    assert status == 200
    answers = Answers(plane.ask("GET", "/openapi/v3/apis/apps/v1")[1])

    def problem(**changes: Any) -> str:
        return answers.problem(path, "get", 200, headers["content-type"], json.dumps({**found, **changes}))

    assert problem() == problem(spec=None) == problem(metadata={"creationTimestamp": None}) == ""
    assert problem(kind=5).startswith("/kind: 5 ")
    assert problem(spec={**found["spec"], "replicas": "many"}).startswith('/spec/replicas: "many" ')
    assert problem(spec={"selector": {}}).startswith("/spec: ")
    assert answers.problem(path, "get", 418, headers["content-type"], "[]") == "", "nothing is said of such an answer"


@pytest.fixture(scope="module")
def fuzzing(plane: ControlPlane) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Somebody of each sort, all at once: for most of the time a fuzzer makes up what to ask."""
    pki, authority = plane.data / "pki", plane.data / "ca-of-the-fuzzer.crt"
    authority.write_bytes(plane.authority())
    certificate = f"cert:{pki / 'admin.crt'},{pki / 'admin.key'}"
    accepted = plane.data / "bases.json"
    accepted.write_text(json.dumps([each for known in bases().values() for each in known]))
    seed = os.environ.get("LONGBOAT_SEED") or str(time.time_ns() % (1 << 32))
    print(f"LONGBOAT_SEED={seed}")
    started = {}
    for who, credentials in (("anonymous", "anonymous"), ("owner", f"token:{TOKEN}"), ("admin", certificate)):
        command = [sys.executable, str(FUZZER), f"https://127.0.0.1:{plane.port}", str(authority), credentials]
        command += [str(MINUTES * 60), seed, "--documents-as", certificate, *FLAGS[who]]
        command += ["--bases", str(accepted)]
        with (plane.data / f"{who}.out").open("w") as out:
            started[who] = subprocess.Popen(command, stdout=out, stderr=out, text=True)
    try:
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.wait()


@pytest.mark.timeout(MINUTES * 60 + 300)
@pytest.mark.parametrize("who", FLAGS)
def test_answers_are_as_documented(plane: ControlPlane, fuzzing: dict[str, subprocess.Popen[str]], who: str) -> None:
    ended, said = fuzzing[who].wait(MINUTES * 60 + 240), (plane.data / f"{who}.out").read_text()
    assert ended == 0, said[-3000:]
    *findings, counts = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    print(json.dumps(counts))
    assert sum(counts["counts"].values()) > MINUTES * 50, "hardly anything was tried"
    assert shortest(each for each in findings if not allowed(each)) == []
    assert "Traceback" not in plane.log.read_text(), plane.log.read_text()[-5000:]


def shortest(findings: Iterator[Any]) -> list[Any]:
    """One of each sort, those that say least."""
    kinds: dict[Any, Any] = {}
    for each in sorted(findings, key=lambda each: len(json.dumps(each))):
        kinds.setdefault((each["status"], each["method"], each["problem"] or each["answer"][:80]), each)
    return list(kinds.values())[:20]
