"""Prints what reading, writing and patching objects costs. No cluster needed: python bench/machinery.py"""

from __future__ import annotations

import json
import resource
import timeit
from collections.abc import Callable
from time import perf_counter
from typing import Any

from longboat.api import kinds
from longboat.machinery import selectors
from longboat.machinery.fieldpath import Errors
from longboat.machinery.kinds import Kind
from longboat.machinery.patch import strategic
from longboat.machinery.types import schema


def container(name: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1}
    return {
        "name": name,
        "image": "registry.example/web:1.25",
        "env": [{"name": f"VARIABLE_{i}", "value": "x" * 20} for i in range(12)],
        "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}},
    }


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web"}, "annotations": {"note": "n" * 200}},
    "spec": {
        "containers": [container("a"), container("b"), container("c")],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


def report(what: str, work: Callable[[], Any]) -> None:
    work()
    best = min(timeit.repeat(work, number=1000, repeat=5)) / 1000
    print(f"{what:<44}{best * 1e6:8.1f} µs")


def main() -> None:
    started = perf_counter()
    known = schema.load()
    print(f"{'load the schema':<44}{(perf_counter() - started) * 1e3:8.1f} ms")
    data = json.dumps(POD, separators=(",", ":")).encode()
    started = perf_counter()
    pod, _ = known.decode(kinds.POD, data)
    print(f"{'first pod (compiles its types)':<44}{(perf_counter() - started) * 1e3:8.1f} ms")
    odd = data.replace(b'"100m"', b'"0.1"')
    shape = known.type(kinds.POD)
    assert shape is not None
    patch = {"spec": {"containers": [{"name": "b", "image": "registry.example/web:1.26"}]}}
    chosen = selectors.parse("app=web,tier notin (back,middle)")
    print(f"a pod of {len(data)} bytes:")
    report("  read, fields not validated", lambda: known.decode(kinds.POD, data))
    report("  read, strict", lambda: known.decode(kinds.POD, data, validation="Strict"))
    report("  read, strict, a quantity to correct", lambda: known.decode(kinds.POD, odd, validation="Strict"))
    report("  stored encoding", lambda: known.canonical(kinds.POD, pod))
    stored = known.canonical(kinds.POD, pod)
    report("  read as stored, to be changed", lambda: known.read(kinds.POD, stored))
    report("  strategic merge of one container", lambda: strategic.apply(pod, patch, shape))
    report("match a label selector", lambda: chosen.matches({"app": "web", "tier": "front"}))
    report_resident("resident at most")
    custom()
    report_resident("resident at most, with a custom kind")
    expressions()
    report_resident("resident at most, with expressions")


RULES = (
    "object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
    "!has(object.spec.hostNetwork) || object.spec.hostNetwork == false",
    "object.metadata.name.matches('^[a-z0-9-]+$') && 'app' in object.metadata.labels",
    "object.spec.containers.all(c, quantity(c.resources.limits.memory).isLessThan(quantity('2Gi')))",
)


def expressions() -> None:
    started = perf_counter()
    from longboat.machinery import cel
    from longboat.machinery.cel import types

    print(f"{'load the expression language':<44}{(perf_counter() - started) * 1e3:8.1f} ms")
    variables = {"object": types.DYN}
    for rule in RULES:
        print(rule)
        program = cel.compile(rule, variables)
        report("  compile", lambda rule=rule: cel.compile(rule, variables))  # type: ignore[misc]
        report("  evaluate", lambda program=program: program.evaluate({"object": POD}))  # type: ignore[misc]
    for loop in ("l.all(a, l.all(b, a + b >= 0))", "l.all(a, l.exists(b, a == b))"):
        program = cel.compile(loop, {"l": types.DYN})
        started = perf_counter()
        try:
            program.evaluate({"l": list(range(1000))})
        except cel.CostExceeded:
            spent = perf_counter() - started
            print(f"{'a unit of cost, ' + loop:<52}{spent / cel.CALL_BUDGET * 1e9:6.0f} ns")


def custom() -> None:
    """A kind that brings its type: twenty strings in each of ten items."""
    kind = Kind("sea.example.com", "v1", "Boat", "boats")
    item = {"type": "object", "properties": {f"f{i}": {"type": "string", "pattern": "^[a-z]+$"} for i in range(20)}}
    spec = {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
    whole = schema.load()
    boats = whole.compile(kind, {"type": "object", "properties": {"spec": spec}})
    known = whole.beside({kind: boats})
    items = [{f"f{i}": "abcdefgh" for i in range(20)} for _ in range(10)]
    data = json.dumps({"apiVersion": kind.api_version, "kind": "Boat", "spec": {"items": items}}).encode()
    boat, _ = known.decode(kind, data)
    stored = known.canonical(kind, boat)
    print(f"a custom object of {len(data)} bytes:")
    report("  read, fields warned of", lambda: known.decode(kind, data, validation="Warn"))
    report("  validate", lambda: boats.validate(boat, Errors()))
    report("  stored encoding", lambda: known.canonical(kind, boat))
    report("  read as stored, to be changed", lambda: known.read(kind, stored))


def report_resident(what: str) -> None:
    print(f"{what:<44}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.1f} MB")


if __name__ == "__main__":
    main()
