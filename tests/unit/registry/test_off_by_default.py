"""Fields of features that are off: nobody can bring them in, whoever had them keeps them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from longboat.machinery.kinds import Kind
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import List, Map, Struct
from longboat.registry import judging
from longboat.registry.kinds.coordination.lease import Lease
from longboat.registry.off_by_default import EACH, TABLE, Off, Steps, drop
from longboat.registry.strategy import Strategy
from suites.objects import container, pod
from unit.registry.kinds.checks import BY_RESOURCE, CTX, Thing, made

DOCUMENT = Path(__file__).parents[3] / "docs" / "features-that-are-off.md"
ALL = [(kind, off, steps) for kind, found in TABLE.items() for off in found for steps in off.fields]


def holding(kind: Kind, *where: Steps) -> Thing:
    """An object that has nothing but these fields: made by its type, so that there are such fields."""
    found = schema.load().type(kind)
    assert found is not None
    made: Thing = {}
    for steps in where:
        made = made | _holding(found, steps, made)
    return made


def _holding(of: Any, steps: Steps, within: Any = None) -> Any:
    if isinstance(of, List) and steps:
        return [_holding(of.item, steps)]
    if not steps:
        return "x"
    if steps[0] == EACH:
        assert isinstance(of, Map)
        return {"key": _holding(of.value, steps[1:])}
    assert isinstance(of, Struct)
    below = (within or {}).get(steps[0]) if isinstance(within, dict) else None
    inner = _holding(of.fields[steps[0]], steps[1:], below)
    return {**(within or {}), steps[0]: inner}


def has(kind: Kind, off: Off, steps: Steps) -> Thing:
    return holding(kind, off.given or steps)


@pytest.mark.parametrize(("kind", "off", "steps"), ALL, ids=lambda value: getattr(value, "name", None))
def test_a_new_object_loses_it_and_one_that_had_it_keeps_it(kind: Kind, off: Off, steps: Steps) -> None:
    new, rest = has(kind, off, steps), holding(kind, steps[:-1]) if len(steps) > 2 else {}
    shared = copy.deepcopy(new)
    parts = dict(new)
    drop(kind, new, None)
    assert parts == shared  # whoever has a part of it as well has it still
    assert new != shared and steps[-1] not in str(new)
    new = has(kind, off, steps)
    drop(kind, new, {"metadata": {}})
    assert steps[-1] not in str(new)
    for former in off.fields:  # any of them is enough
        new = has(kind, off, steps)
        drop(kind, new, holding(kind, former))
        assert new == shared
    drop(kind, rest, None)


def test_what_held_nothing_else_goes_only_where_upstream_wants_it() -> None:
    signal, sleep = {"stopSignal": "SIGUSR1"}, {"preStop": {"sleep": {"seconds": 1}}}
    source = {"podCertificate": {"signerName": "a.b/c", "keyType": "ED25519"}}
    found = judged(BY_RESOURCE["pods"], pod(
        os={"name": "linux"},
        containers=[container(lifecycle=dict(signal)), container(name="d", lifecycle=signal | sleep)],
        volumes=[{"name": "v", "projected": {"sources": [source]}}],
        schedulingGroup={"podGroupName": "g"},
    ))["spec"]  # fmt: skip
    assert [each.get("lifecycle") for each in found["containers"]] == [None, sleep]
    assert found["volumes"][0]["projected"]["sources"] == [{}]
    assert "schedulingGroup" not in found


def judged(strategy: Strategy, obj: Thing, old: Thing | None = None) -> Thing:
    """As a write would store it. Whatever is checked is what is left."""
    new = copy.deepcopy(obj)
    new.setdefault("metadata", {}).update(name="x", namespace="n", uid="u", creationTimestamp="2026-01-02T03:04:05Z")
    strategy.default(new)
    if old is None:
        judging.judge_new(strategy, new, CTX)
    else:
        judging.judge_change(strategy, None, new, old, "x", CTX)
    return new


def test_what_is_wrong_with_a_field_that_goes_is_not_told() -> None:
    wrong = {"strategy": "Not a label!", "preferredHolder": "b", "leaseDurationSeconds": 1}
    found = judged(Lease(), {"spec": wrong})
    assert found["spec"] == {"leaseDurationSeconds": 1}
    old = copy.deepcopy(found) | {"spec": {"strategy": "a"}}
    old["metadata"]["resourceVersion"] = "1"
    new = copy.deepcopy(old) | {"spec": {"strategy": "b", "preferredHolder": "c"}}
    assert judged(Lease(), new, old)["spec"] == {"strategy": "b"}


CLAIM: Thing = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
SEED = {"apiGroup": "example.com", "kind": "Seed", "name": "s"}


def test_sources_of_claims() -> None:
    def sources(**given: Any) -> tuple[Any, Any]:
        spec = judged(BY_RESOURCE["persistentvolumeclaims"], {"spec": CLAIM["spec"] | given})["spec"]
        return spec.get("dataSource"), spec.get("dataSourceRef")

    assert sources(dataSourceRef=SEED | {"namespace": "other"}) == (None, None)
    assert sources(dataSourceRef=SEED) == (SEED, SEED)  # what the older name may not bring, the newer one may
    assert sources(dataSource=SEED) == (None, None)
    assert sources(dataSource=SEED, dataSourceRef=SEED) == (SEED, SEED)


def test_a_claim_that_has_a_source_of_another_namespace_keeps_it() -> None:
    ref = SEED | {"namespace": "other"}
    old = made(BY_RESOURCE["persistentvolumeclaims"], CLAIM)
    old["metadata"] = {"name": "x", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"}
    old["spec"]["dataSourceRef"] = ref
    assert judged(BY_RESOURCE["persistentvolumeclaims"], copy.deepcopy(old), old)["spec"]["dataSourceRef"] == ref


def test_the_document_lists_what_the_table_does() -> None:
    listed = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert listed == [
        f"| `{kind.name}` | `{'.'.join(steps)}` | {off.gate} |" for kind, off, steps in ALL if "template" not in steps
    ]
