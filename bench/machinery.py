"""Prints what reading, writing and patching objects costs. No cluster needed: python bench/machinery.py"""

from __future__ import annotations

import json
import resource
import timeit
from collections.abc import Callable
from time import perf_counter, thread_time
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


LISTS = {
    "l": list(range(1000)), "s": [f"name-{i}" for i in range(1000)], "m": {f"k{i}": i for i in range(1000)},
    "o": [{"name": f"n{i}", "v": i} for i in range(300)],
}  # fmt: skip
LOOPS = (
    "l.all(a, l.all(b, a + b >= 0))", "l.all(a, l.exists(b, a == b))", "l.all(a, l.exists_one(b, a == b) || true)",
    "l.all(a, l.all(i, b, a + b + i >= 0))", "l.all(a, l.map(b, b + a).size() > 0)",
    "m.all(k, m.transformMap(q, v, v + 1).size() > 0)", "o.all(x, o.all(y, x.name != y.name || x.v == y.v))",
    "s.all(a, s.all(b, a.startsWith('name') && b.contains('-')))", "s.all(a, s.all(b, a.matches('^[a-z]+-[0-9]+$')))",
    "s.all(a, s.all(b, a.split('-').size() == 2))", "s.all(a, s.all(b, isIP(a) || true))",
    "s.all(a, s.all(b, quantity('1').isLessThan(quantity('2'))))", "s.all(a, s.all(b, '%s'.format([a]) != ''))",
)  # fmt: skip
DEEP = (
    "l.all(a, l == l)",
    "o.all(a, o == o)",
    "l.all(a, '%s'.format([l]) != '')",
)  # that make visits beside their cost


def expressions() -> None:
    started = perf_counter()
    from longboat.machinery import cel
    from longboat.machinery.cel import schemas, types
    from longboat.machinery.cel.program import AT_ONCE

    print(f"{'load the expression language':<44}{(perf_counter() - started) * 1e3:8.1f} ms")
    typed = schema.load()
    shape = typed.type(kinds.POD)
    assert shape is not None
    pod = schemas.Shaped().struct(shape)
    for rule in RULES:
        print(rule)
        for what, type_ in (("", types.DYN), (", of a Pod's type", pod)):
            try:
                program = cel.compile(rule, {"object": type_})
            except cel.CompileError:
                continue  # not as a Pod's type has it
            report(f"  compile{what}", lambda rule=rule, type_=type_: cel.compile(rule, {"object": type_}))  # type: ignore[misc]
            report(f"  evaluate{what}", lambda program=program: program.evaluate({"object": POD}))  # type: ignore[misc]
    print("a unit of cost, in a thread's time")
    longest = 0.0
    for loop in LOOPS:
        for types_ in ({"l": types.list_of(types.INT), "s": types.list_of(types.STRING)}, {}):
            declared = {name: types_.get(name, types.DYN) for name in LISTS}
            seconds, cost = spent(cel.compile(loop, declared), cel.CALL_BUDGET)
            print(f"  {loop + (' (typed)' if types_ else ' (dyn)'):<72}{seconds / cost * 1e9:6.0f} ns")
    print("what the event loop is held for: AT_ONCE units and their visits, in a thread's time")
    for loop in (*LOOPS, *DEEP):
        seconds, _ = spent(cel.compile(loop, dict.fromkeys(LISTS, types.DYN)), AT_ONCE)
        longest = max(longest, seconds)
    print(f"  {'at most':<72}{longest * 1e3:6.2f} ms")


def spent(program: Any, budget: int) -> tuple[float, int]:
    """Seconds of this thread's processor time, the least of three, and what it cost."""
    from longboat.machinery import cel

    best, cost = 1e9, budget
    for _ in range(3):
        started = thread_time()
        try:
            _, cost = program.evaluate(LISTS, budget)
        except cel.CostExceeded:
            cost = budget
        best = min(best, thread_time() - started)
    return best, cost


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
