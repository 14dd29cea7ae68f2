"""What is told to whoever makes a namespace stricter: which of its pods would not be let in any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from longboat.aio.clock import Clock
from longboat.apiserver.admission.pod_security.levels import Standard
from longboat.apiserver.admission.pod_security.standards import reasons, violations
from longboat.apiserver.admission.pod_security.subject import Subject
from longboat.machinery.objects import Object

MOST = 3000  # pods looked at
PATIENCE = 1.0  # seconds
AT_ONCE = 10  # pods taken before others have their turn: about a millisecond


@dataclass(slots=True)
class _Group:
    """Pods against which there is the same: how many, and the first of them by name."""

    first: str
    number: int = 0


async def warnings(
    namespace: str, standard: Standard, pods: Sequence[Object], exempt: frozenset[str], clock: Clock
) -> list[str]:
    """`pods` are decoded where they are taken from. One of each controller is looked at before all others of it: they
    are alike. `exempt`: runtime classes whose pods no standard binds."""
    until = clock.monotonic() + PATIENCE
    groups: dict[str, _Group] = {}
    bound, looked_at = len(pods), 0
    for i, pod in enumerate(_in_order(pods), start=1):
        if pod is None:
            pass
        elif (name := pod["spec"].get("runtimeClassName")) and name in exempt:
            bound -= 1
        else:
            if why := reasons(violations(standard, Subject(pod["metadata"], pod["spec"]))):
                _add(groups, why, pod["metadata"]["name"])
            looked_at += 1
        if looked_at == MOST or clock.monotonic() >= until:
            break
        if i % AT_ONCE == 0:
            await asyncio.sleep(0)
    said: list[str] = []
    if looked_at < bound:
        said.append(
            f"new PodSecurity enforce level only checked against the first {looked_at} of {bound} existing pods"
        )
    if groups:
        said.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"')
    return said + sorted(f"{_named(group)}: {why}" for why, group in groups.items())


def _in_order(pods: Sequence[Object]) -> Iterator[Object | None]:
    """Pods of their own and the first of each controller, then the rest. None: one was put off."""
    seen: set[str] = set()
    rest: list[int] = []
    for i, pod in enumerate(pods):
        owners = pod["metadata"].get("ownerReferences") or ()
        uid = next((owner["uid"] for owner in owners if owner.get("controller")), "")
        if uid in seen:
            rest.append(i)
            yield None
            continue
        if uid:
            seen.add(uid)
        yield pod
    for i in rest:
        yield pods[i]


def _add(groups: dict[str, _Group], why: str, name: str) -> None:
    group = groups.setdefault(why, _Group(name))
    group.first = min(group.first, name)
    group.number += 1


def _named(group: _Group) -> str:
    others = group.number - 1
    match others:
        case 0:
            return group.first
        case 1:
            return f"{group.first} (and 1 other pod)"
    return f"{group.first} (and {others} other pods)"
