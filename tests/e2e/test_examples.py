"""Every example does what its README says, and heals when it is broken."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.certificates import self_signed
from e2e.host import Cluster
from images import build, debian

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def servers(cluster: Cluster) -> Cluster:
    """The session's cluster with the images of the examples."""
    for archive in debian.build().values():
        cluster.import_image(archive)
    return cluster


@pytest.fixture
def here(servers: Cluster, namespace: str) -> Cluster:
    servers.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    return servers


@pytest.fixture
def strict(here: Cluster, namespace: str) -> Cluster:
    """Where the strictest of the Pod Security Standards is enforced."""
    enforce_restricted(here, namespace)
    return here


def enforce_restricted(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted").quiet()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)


def apply(cluster: Cluster, *names: str) -> None:
    for name in names:
        cluster.kubectl("apply", "-f", str(EXAMPLES / name)).quiet()


def rolled_out(cluster: Cluster, *names: str) -> None:
    for name in names:
        cluster.kubectl("rollout", "status", name, "--timeout=90s").quiet()


def break_pods(cluster: Cluster, *labels: str) -> None:
    """Without a moment to stop."""
    for label in labels:
        cluster.kubectl("delete", "pods", "-l", label, "--grace-period=0", "--force")


def pods(cluster: Cluster, label: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("pods", "-l", label)["items"]
    return found


def test_hello_is_served_over_https(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    enforce_restricted(cluster, namespace)
    cluster.import_image(build.hello(tmp_path / "hello.tar"))
    host = "hello.example.com"
    certificate, key = self_signed(tmp_path, "hello", host)
    secret = ("secret", "tls", "hello", f"--cert={certificate}", f"--key={key}")
    cluster.kubectl("-n", namespace, "create", *secret).quiet()
    cluster.kubectl("-n", namespace, "apply", "-f", str(EXAMPLES / "hello" / "hello.yaml")).quiet()
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/hello", "--timeout=60s").quiet()
    for node in cluster.status()["nodes"]:
        there = ("--cacert", str(certificate), "--resolve", f"{host}:443:{node['address']}")
        retry = ("--retry", "20", "--retry-delay", "1", "--retry-all-errors", "--no-progress-meter")
        page = cluster.host.run("curl", "--fail", *there, *retry, f"https://{host}/").ok().out
        assert page.startswith("Ahoy from hello-")


def test_the_guestbook_keeps_every_entry(strict: Cluster) -> None:
    apply(strict, "guestbook")
    everything = ("deploy/redis-leader", "deploy/redis-follower", "deploy/frontend")
    rolled_out(strict, *everything)
    page = f"http://{strict.status()['nodes'][0]['address']}:30081/"

    def curl(*flags: str) -> str:
        return strict.host.run("curl", "-sS", "-m", "5", *flags, page).out

    assert curl("-d", "entry=Ahoy") == "Thank you\n"
    until(lambda: "<li>Ahoy</li>" in curl(), 10)
    for label in ("app=frontend", "role=follower", "role=leader"):
        before = {pod["metadata"]["uid"] for pod in pods(strict, label)}
        break_pods(strict, label)
        rolled_out(strict, *everything)
        until(lambda label=label, before=before: not before & {p["metadata"]["uid"] for p in pods(strict, label)})
        until(lambda: "<li>Ahoy</li>" in curl())
        until(lambda label=label: curl("-d", f"entry=after+{label}") == "Thank you\n")
        until(lambda label=label: f"<li>after {label}</li>" in curl())
    assert curl().count("<li>Ahoy</li>") == 1


def test_the_blog_is_served_over_https_from_its_database(strict: Cluster, tmp_path: Path) -> None:
    host = "blog.example.com"
    certificate, key = self_signed(tmp_path, "blog", host)
    strict.kubectl("create", "secret", "generic", "database", "--from-literal=password=correct horse").quiet()
    strict.kubectl("create", "secret", "tls", "blog", f"--cert={certificate}", f"--key={key}").quiet()
    apply(strict, "blog")
    everything = ("sts/database", "deploy/application", "deploy/web")
    rolled_out(strict, *everything)
    at = strict.status()["nodes"][1]["address"]

    def curl(*flags: str, path: str = "/") -> str:
        trusted = ("--cacert", str(certificate), "--resolve", f"{host}:443:{at}")
        return strict.host.run("curl", "-sS", "-m", "5", *trusted, *flags, f"https://{host}{path}").out

    until(lambda: "<h1>Longboat&#x27;s log</h1>" in curl())
    assert "serif" in curl(path="/style.css")
    assert curl("-d", "article=We set sail") == "Published\n"
    for label in ("app=web", "app=application", "app=database"):
        if label == "app=database":  # forced, two of them would write to the same files
            strict.kubectl("delete", "pod", "database-0").quiet()
        else:
            break_pods(strict, label)
        until(lambda: "<article>We set sail</article>" in curl(), 90)
        rolled_out(strict, *everything)
    strict.kubectl("patch", "configmap", "blog", "-p", '{"data":{"title":"Sails"}}').quiet()
    until(lambda: "<h1>Sails</h1>" in curl(), 10)
    assert "correct horse" not in json.dumps(strict.get("pods,configmaps,statefulsets,deployments"))


def test_the_pipeline_adds_up_though_a_part_dies(strict: Cluster) -> None:
    apply(strict, "pipeline/collect.yaml")
    strict.kubectl("create", "job", "now", "--from=cronjob/collect").quiet()
    strict.kubectl("wait", "--for=condition=Complete", "job/now", "--timeout=60s").quiet()
    apply(strict, "pipeline/count.yaml")
    until(lambda: sum(pod["status"]["phase"] == "Running" for pod in pods(strict, "app=count")) == 3)
    victim = pods(strict, "batch.kubernetes.io/job-completion-index=1,app=count")[0]["metadata"]["name"]
    strict.kubectl("delete", "pod", victim, "--wait=false").quiet()
    strict.kubectl("wait", "--for=condition=Complete", "job/count", "--timeout=60s").quiet()
    said = strict.kubectl("logs", "-l", "app=count").quiet().splitlines()
    expected = [f"part {part} total {sum(n for n in range(1, 1001) if n % 3 == part)}" for part in range(3)]
    assert sorted(said) == expected
    assert victim not in {pod["metadata"]["name"] for pod in pods(strict, "app=count")}


def test_the_log_shipper_loses_no_line(here: Cluster, namespace: str) -> None:
    apply(here, "log-shipper")
    rolled_out(here, "ds/shipper", "sts/collector")
    chatter = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done"
    for node in ("node-1", "node-2"):
        here.kubectl(
            "run", f"chatter-{node}", "--image=longboat.local/busybox:1", "--overrides",
            json.dumps({"spec": {"nodeName": node, "terminationGracePeriodSeconds": 1}}), "--", "sh", "-c", chatter,
        ).quiet()  # fmt: skip

    def collected(node: str) -> set[int]:
        """The numbers of the lines that have arrived; none while the collector is away."""
        mine = f"{namespace}_chatter-{node}_"
        lines = here.kubectl("exec", "collector-0", "--", "grep", mine, "/data/lines").out.splitlines()
        return {int(line.rpartition(" ")[2]) for line in lines}

    until(lambda: all(len(collected(node)) > 20 for node in ("node-1", "node-2")))
    break_pods(here, "app=shipper", "app=collector")
    rolled_out(here, "ds/shipper", "sts/collector")
    reached = {
        node: int(here.kubectl("logs", f"chatter-{node}", "--tail=1").quiet().split()[1])
        for node in ("node-1", "node-2")
    }
    for node, last in reached.items():
        until(lambda node=node, last=last: set(range(1, last + 1)) <= collected(node))


def test_every_example_is_here_and_said_in_five_lines() -> None:
    for folder in (path for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "hello"):
        assert len((folder / "README.md").read_text().splitlines()) == 5, folder
        subprocess.run(["grep", "-q", f'"{folder.name}', __file__], check=True)
