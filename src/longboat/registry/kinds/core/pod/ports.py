"""What upstream warns about in the ports of a pod's containers: they share one network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from longboat.machinery.fieldpath import Path
from longboat.machinery.objects import Object

MOST = 50  # notes of either sort: a Warning header holds fewer
COMPARED = 20  # definitions of one port that others are compared with, so that work is linear in what is sent

Placed = tuple[Path, Object]


def notes(spec: Object, path: Path) -> list[str]:
    """`path` is the PodSpec's. Bounded, whatever a tenant writes: nobody is shown more of them (filters/recover)."""
    return [*islice(_numbers(spec, path), MOST), *islice(_names(spec, path), MOST)]


def _of(spec: Object, path: Path) -> Iterator[tuple[Path, Object, Object]]:
    """Where each port is, the port, and its container."""
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or ()):
            for j, port in enumerate(container.get("ports") or ()):
                yield path.at(field).index(i).at("ports").index(j), port, container


def _numbers(spec: Object, path: Path) -> Iterator[str]:
    seen: dict[tuple[int, str], list[Placed]] = defaultdict(list)
    for at, port, _ in _of(spec, path):
        if port.get("hostIP") and not port.get("hostPort"):
            yield f"{at}: hostIP set without hostPort: {_shown(port)}"
        same = seen[port.get("containerPort") or 0, port.get("protocol") or "TCP"]
        for where, other in same:
            if word := _clash(port, other):
                yield f"{at}: {word} port definition with {where}"
        if len(same) < COMPARED:
            same.append((at, port))


def _clash(one: Object, other: Object) -> str:
    """How two definitions of one port get in each other's way; "" where they do not."""
    ips = {one.get("hostIP") or "", other.get("hostIP") or ""}
    numbers = {one.get("hostPort") or 0, other.get("hostPort") or 0}
    if len(ips) == len(numbers) == 1:
        return "duplicate"
    if 0 in numbers:
        return "overlapping"  # odd, and without harm
    return "dangerously ambiguous" if len(numbers) == 1 and "" in ips else ""


def _names(spec: Object, path: Path) -> Iterator[str]:
    """Of those that run together."""
    seen: dict[str, Path] = {}
    for at, port, container in _of(spec, path):
        runs_on = container.get("restartPolicy") == "Always" or str(at).startswith(str(path.at("containers")))
        if not (name := port.get("name")) or not runs_on:
            continue
        if name in seen:
            first = seen[name]
            yield (
                f'{at}: duplicate port name "{name}" with {first}, services and probes that select ports by name '
                f"will use {first}"
            )
        seen.setdefault(name, at)


def _shown(port: Object) -> str:
    """As Go prints the struct."""
    fields = {"Name": port.get("name") or "", "HostPort": port.get("hostPort") or 0,
              "ContainerPort": port.get("containerPort") or 0, "Protocol": port.get("protocol") or "",
              "HostIP": port.get("hostIP") or ""}  # fmt: skip
    return "{" + " ".join(f"{name}:{value}" for name, value in fields.items()) + "}"
