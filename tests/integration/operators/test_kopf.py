"""kopf's published examples, unchanged, are operators here as they are anywhere: each in a namespace and a process of
its own, all at once, on a control plane with a node whose containers are imagined."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.certificates import self_signed
from integration.cli.machine import Machine
from integration.operators.kopf_operator import NAME, Nursery, Operator, check, their_checks
from published import published

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(180)]

TOGETHER = (
    "15-timers", "01-minimal", "02-children", "03-exceptions", "04-events", "05-handlers", "07-subhandlers",
    "08-events", "09-testing", "10-builtins", "11-filtering-handlers", "13-hooks", "14-daemons", "16-indexing",
    "99-all-at-once",
)  # fmt: skip
AGAIN = {
    "05-handlers": ("field_fn/spec.field",),
    "15-timers": ("every_few_seconds_sync", "every_few_seconds_async"),
}


class Stage:
    """The cluster, and an operator of each example that gets along with others."""

    def __init__(self, folder: Path) -> None:
        self.sources = published("kopf")
        self.examples = self.sources / "examples"
        self.machine = Machine(folder)
        self.operators: dict[str, Operator] = {}
        self.embedded: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.machine.up("--simulated-nodes", "1").ok()
        self.nursery = Nursery(self.machine)
        self.machine.kubectl("apply", "-f", str(self.examples / "crd.yaml")).quiet()
        self.machine.kubectl("wait", "crd/kopfexamples.kopf.dev", "--for=condition=Established").quiet()
        names = [f"x-{each}" for each in TOGETHER]
        made = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in (*names, "x-06", "x-17")
        ]
        self.create(*made)
        for example in TOGETHER:
            options = ("--liveness=http://127.0.0.1:8080/healthz",) if example == "13-hooks" else ()
            self.begin(example, f"x-{example}", "--standalone", *options)
        for example in set(TOGETHER) - {"13-hooks"}:  # this one is to fail at its start, and takes its time
            self.operators[example].says(r"Starting the watch-stream for (kopfexamples|pods)\.v1")
        (obj,) = yaml.safe_load_all((self.examples / "obj.yaml").read_text())
        self.create(
            *({**obj, "metadata": {**obj["metadata"], "namespace": f"x-{example}"}} for example in TOGETHER), by="apply"
        )

    def create(self, *objects: object, by: str = "create") -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.machine.host.run("kubectl", by, "-f", "-", stdin=json.dumps(document)).quiet()

    def begin(self, example: str, namespace: str, *options: str, beside: str = "") -> Operator:
        found = self.operators[example] = Operator(
            self.nursery, self.examples / example, namespace, *options, beside=beside
        )
        return found

    def close(self) -> None:
        try:
            for operator in self.operators.values():
                operator.end()
            if self.embedded is not None and self.embedded.poll() is None:
                self.embedded.kill()
                self.embedded.communicate()
            codes = {name: operator.ended() for name, operator in self.operators.items()}
            self.nursery.close()
        finally:
            self.machine.close()
        assert set(codes.values()) == {0}, codes


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("kopf"))
    try:
        stage.start()
        yield stage
    finally:
        stage.close()


def test_minimal(stage: Stage) -> None:
    operator = stage.operators["01-minimal"]
    operator.says("And here we are! Creating: {'duration': '1m', 'field': 'value', 'items': \\['item1', 'item2'\\]}")
    operator.says("Handling cycle is finished")
    assert operator.get()["status"]["create_fn"] == {"message": "hello world"}
    (shown,) = operator.kubectl("get", "kex", "--no-headers").splitlines()
    assert shown.split() == [NAME, "1m", "hello", "world"]


def test_children(stage: Stage) -> None:
    operator = stage.operators["02-children"]
    operator.says("'create_fn' succeeded")
    operator.kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=20s")
    (pod,) = json.loads(operator.kubectl("get", "pods", "-o", "json"))["items"]
    operator.says("Handling cycle is finished")
    assert operator.get()["status"]["create_fn"]["children"] == [pod["metadata"]["uid"]]
    (owner,) = pod["metadata"]["ownerReferences"]
    assert owner["uid"] == operator.get()["metadata"]["uid"]


def test_exceptions(stage: Stage) -> None:
    operator = stage.operators["03-exceptions"]
    operator.says("Creation is processed: 1 succeeded; 3 failed.")
    assert operator.log.count("Expected recoverable error.") >= 3


def test_events_of_its_own(stage: Stage) -> None:
    operator = stage.operators["04-events"]
    operator.says("'create_fn' succeeded")
    wanted = {("SomeType", "Some message"), ("Normal", "Some message"), ("Warning", "Some message")}
    for _ in range(100):
        events = json.loads(operator.kubectl("get", "events", "-o", "json"))["items"]
        found = {(e["type"], e["message"]) for e in events if e["reason"] == "SomeReason"}
        if wanted <= found and any(m.startswith("Some exception:") for _, m in found):
            return
        time.sleep(0.1)
    raise AssertionError(events)


def test_handlers(stage: Stage) -> None:
    operator = stage.operators["05-handlers"]
    operator.says("CREATED 2nd")
    operator.says("Handling cycle is finished")
    operator.kubectl("patch", "kex", NAME, "--type=merge", "-p", '{"spec": {"field": "changed"}}')
    operator.says("UPDATED")
    operator.says("FIELD CHANGED: value -> changed")


def test_peering(stage: Stage) -> None:
    """One of two operators of a namespace waits while the other, which is more important, works."""
    path = str(stage.sources / "peering.yaml")
    stage.machine.kubectl("apply", "-f", path)  # its objects are not known yet
    crds = ("crd/kopfpeerings.kopf.dev", "crd/clusterkopfpeerings.kopf.dev")
    stage.machine.kubectl("wait", *crds, "--for=condition=Established").quiet()
    stage.machine.kubectl("apply", "-f", path).ok()
    stage.create({"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": "p", "namespace": "x-06"}})
    first = stage.begin("06-peering", "x-06", "--peering=p")
    first.says("Client is configured")
    first.says("Keep-alive in 'p'")
    second = Operator(stage.nursery, first.example, "x-06", "--peering=p", "--dev")
    first.says("Pausing operations in favour of")
    second.kubectl("apply", "-f", str(stage.examples / "obj.yaml"))
    second.says("'create_fn' succeeded")
    assert "create_fn" not in first.log
    second.end()
    assert second.ended() == 0
    first.says("Resuming operations after the pause")
    first.remove()


def test_subhandlers(stage: Stage) -> None:
    operator = stage.operators["07-subhandlers"]
    for item in ("item1", "item2"):
        operator.says(f"=== Handling creation for {item}. ===")


def test_raw_events(stage: Stage) -> None:
    operator = stage.operators["08-events"]
    operator.says("Event received: {'type': 'ADDED'")
    operator.says("Handler 'event_fn_with_error' failed with an exception")
    operator.remove()
    operator.says("Event received: {'type': 'DELETED'")


def test_logging(stage: Stage) -> None:
    stage.operators["09-testing"].says(rf"\[x-09-testing/{NAME}\] Something was logged here\.")


def test_builtins(stage: Stage) -> None:
    operator = stage.operators["10-builtins"]
    operator.kubectl("run", "pod", "--image=busybox", "--restart=Never", "--", "sh", "-c", "sleep 60")
    operator.says(r"\[x-10-builtins/pod\] Creation is in progress:")
    operator.says("=== Pod killing happens in 30s.")
    operator.kubectl("delete", "pod", "pod", "--wait=false")
    operator.says(r"\[x-10-builtins/pod\] Deletion is in progress:")
    operator.says("=== Pod killing is cancelled!")


def test_filtering(stage: Stage) -> None:
    operator = stage.operators["11-filtering-handlers"]
    operator.says("Creation is processed: 10 succeeded; 0 failed.")
    operator.says("Field daemon is satisfied.")
    operator.kubectl("patch", "kex", NAME, "--type=merge", "-p", '{"spec": {"field": "changed"}}')
    operator.says("Field change is satisfied.")
    operator.says("Daemon 'daemon_with_field/spec.field' succeeded.")
    assert "not satisfied" not in operator.log and "mismatch" not in operator.log


def test_hooks(stage: Stage) -> None:
    operator = stage.operators["13-hooks"]
    operator.says("Activity 'startup_fn_retried' succeeded")
    operator.kubectl("run", "pod", "--image=busybox")
    for _ in range(100):
        told = stage.machine.host.run(
            sys.executable, "-c", "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/healthz').read().decode())"
        ).ok()  # fmt: skip
        if json.loads(told.out)["monitored_objects"] == {"x-13-hooks": ["pod"]}:
            return
    raise AssertionError(told.out)


def test_daemons(stage: Stage) -> None:
    operator = stage.operators["14-daemons"]
    operator.says("=> Ping from a sync daemon: field='value', retry=3")
    operator.says("=> Ping from an async daemon: field='value'")
    assert operator.get()["status"]["message"] in ("Failed 3 times.", "Accompanying is finished.")
    operator.remove()
    operator.says("'background_async' is cancelled|'background_async' has exited")


def test_indexing(stage: Stage) -> None:
    operator = stage.operators["16-indexing"]
    operator.kubectl("run", "pod", "--image=busybox")
    operator.says(r"\('run', 'pod'\): \['pod'\]")
    assert operator.get()["status"]["running-pods"] == []  # it shows those of two other namespaces only


def test_all_at_once(stage: Stage) -> None:
    operator = stage.operators["99-all-at-once"]
    operator.says("Creation is processed: 3 succeeded; 0 failed.")
    operator.says("This pod is special for us.")
    status = operator.get()["status"]
    assert (status["create_1"], status["create_2"]) == ({"job1-status": 100}, {"job2-status": 100})


def test_timers(stage: Stage) -> None:
    operator = stage.operators["15-timers"]
    operator.says("Ping from a sync timer: field='value'")
    operator.says("Ping from an async timer: field='value'")


@pytest.fixture(scope="module")
def over(stage: Stage) -> Stage:
    """The objects have gone, and the operators have ended. Another one has begun, which would disturb them."""
    stage.machine.kubectl("delete", "kex", "--all", "--all-namespaces", "--timeout=30s").ok()
    example = str(stage.examples / "12-embedded" / "example.py")
    stage.embedded = stage.machine.host.start(sys.executable, example, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    operators = [stage.operators[example] for example in TOGETHER]
    for operator in operators:
        if "Creation is processed" in operator.log:
            operator.says("Deleted, really deleted")
        operator.end()
    for operator in operators:
        operator.ended()
    return stage


@pytest.mark.parametrize("example", TOGETHER)
def test_its_own_end_to_end_test_passes(over: Stage, example: str) -> None:
    """kopf's, of its logs."""
    operator = over.operators[example]
    assert operator.ended() == 0
    if not any(operator.example.glob("test*.py")):  # those have a test of their own: it is above
        check(operator, their_checks(over.sources), AGAIN.get(example, ()))


def test_embedded(over: Stage) -> None:
    """An operator in a thread of a program. It watches all namespaces, so the others' objects have gone."""
    assert over.embedded is not None
    said = over.embedded.communicate(timeout=60)[0]
    assert over.embedded.returncode == 0, said
    for step in range(3):
        assert f"Hello, kopf-example-{step}!" in said and f"Good bye, kopf-example-{step}!" in said
    assert over.machine.kubectl("get", "kex", "-A", "-o", "name").out == ""


def test_admission(over: Stage) -> None:
    """It asks about each object, by webhooks that it has configured itself. It would disturb the others."""
    self_signed(over.machine.host.folder, "webhook", "localhost")
    server = str(Path(__file__).parent / "webhook_server.py")
    operator = over.begin("17-admission", "x-17", "--standalone", beside=server)
    operator.says("Merge-patching|Reconfiguring the .* webhook auto.kopf.dev")
    for kind in ("validating", "mutating"):
        operator.says(f"(?i){kind}.*auto.kopf.dev")
    text = (over.examples / "obj.yaml").read_text()

    def applied(what: str, *options: str) -> tuple[str, str]:
        done = over.machine.host.run("kubectl", "-n", "x-17", "apply", *options, "-f", "-", stdin=what)
        return done.out, done.err

    out, err = applied(text.replace("field: value", "field: wrong"))
    assert out == "" and "Meh! I don't like it. Change the field." in err
    out, err = applied(text.replace("field: value", "field: not-allowed"))
    assert out == "" and "I'm too lazy anyway. Go away!" in err
    out, err = applied(text.replace("field: value", "field: wrong"), "--dry-run=server")
    assert "created (server dry run)" in out
    out, err = applied(text)
    assert "created" in out
    assert "Warning: SSL peer is not identified." in err and "Also update status.field to match spec.field" in err
    assert operator.get()["spec"]["injected"] == 123
    wrong = ("--subresource=status", "--type=merge", "-p", '{"status": {"field": "x"}}')
    done = over.machine.kubectl("-n", "x-17", "patch", "kex", NAME, *wrong)
    assert done.code == 1 and "status.field MUST be equal to spec.field!" in done.err
    operator.end()
    assert operator.ended() == 0
    operator.remove()
    over.machine.kubectl("delete", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "--all").ok()
