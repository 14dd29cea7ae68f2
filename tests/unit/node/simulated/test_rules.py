"""Rules find the containers they are about, and say what becomes of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.node.simulated import rules as module
from longboat.node.simulated.behaviour import BadBehaviour, Behaviour, Exec, Requirement, Selector, Stage, read
from longboat.node.simulated.rules import NO_RULES, Imagined, Rules
from longboat.node.simulated.script import NOTHING, Ending, Script, Use


def asked(**fields: Any) -> Imagined:
    usual = {"namespace": "shop", "pod": "web-0", "uid": "u", "name": "c", "image": "registry.example.com/web:1"}
    return Imagined(**{**usual, "labels": {"app": "web", "tier": "front"}, **fields})


def of(*stages: Stage, **selector: Any) -> Behaviour:
    return Behaviour(selector=Selector(**selector), stages=stages)


FAILS = Stage(delay=5, exitCode=1)

SELECTORS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"matchNamespaces": ("shop", "x")}, True),
    ({"matchNamespaces": ("x",)}, False),
    ({"matchNames": ("web-0",)}, True),
    ({"matchNames": ("web",)}, False),
    ({"matchLabels": {"app": "web"}}, True),
    ({"matchLabels": {"app": "web", "tier": "back"}}, False),
    ({"matchExpressions": (Requirement(key="app", operator="In", values=("db", "web")),)}, True),
    ({"matchExpressions": (Requirement(key="tier", operator="DoesNotExist"),)}, False),
    ({"matchImages": ("registry.example.com/*",)}, True),
    ({"matchImages": ("registry.example.com/web:1",)}, True),
    ({"matchImages": ("registry.example.com/web",)}, False),
    ({"matchImages": ("x", "*/web:*")}, True),
    ({"matchImages": ("*.com*we*b:1",)}, True),
    ({"matchImages": ("registry.example.com/web:1*web:1",)}, False),
    ({"matchImages": ("*web*web*",)}, False),
    ({"matchImages": ("registry[.]example.com/*",)}, False),
    ({"matchImages": ("*",)}, True),
    ({"matchContainers": ("c",)}, True),
    ({"matchContainers": ("d",)}, False),
    ({"attempts": 1}, True),
    ({"attempts": 0}, False),
    ({"matchNames": ("web-0",), "matchContainers": ("d",)}, False),
]


@pytest.mark.parametrize(("selector", "matches"), SELECTORS)
def test_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert Rules([of(FAILS, **selector)]).script(asked()) == (Script(ending=Ending(5.0, 1)) if matches else NOTHING)


def test_the_last_that_speaks_of_a_thing_decides_about_it() -> None:
    said = Rules([of(FAILS), of(Stage(ready=False)), of(Stage(delay=9, exitCode=3)), of(Stage(live=True))])
    found = said.script(asked())
    assert found.ending == Ending(9.0, 3)
    assert found.ready is not None and not found.ready.at(0)


def test_stages_follow_each_other() -> None:
    stages = (
        Stage(delay="1s", ready=True, log="up", usage={"cpu": "250m", "memory": "64Mi"}),
        Stage(delay="1m", usage={"cpu": "2"}, log="busy\nvery"),
        Stage(delay=1, exitCode=137, reason="OOMKilled", message="too much"),
    )
    found = Rules([of(*stages)]).script(asked())
    assert found.ending == Ending(62.0, 137, "OOMKilled", "too much")
    assert [found.passes("readiness", t) for t in (0, 0.9, 1, 50)] == [False, False, True, True]
    assert found.passes("liveness", 0) and found.passes("startup", 0)
    assert found.log == ((1.0, b"up\n"), (61.0, b"busy\n"), (61.0, b"very\n"))
    assert found.use is not None and found.use.at(62) == Use(2.0, 64 << 20)
    assert found.used(62) == (60 * 0.25 + 2.0, float(64 << 20))
    assert [found.next(t) for t in (0, 1, 62)] == [1.0, 62.0, math.inf]


def test_running_overrules_an_end() -> None:
    found = Rules([of(Stage(running=True))]).script(asked()).over(Script(ending=Ending(1.0)))
    assert found.end == Ending()


def test_answers_to_commands() -> None:
    execs = (
        Exec(command=("pg_isready",), exitCode=2, stderr="no"),
        Exec(command=("date", "-u"), stdout="now", delay=1),
    )
    found = Rules([Behaviour(execs=execs)]).script(asked())
    answer = found.answer(["pg_isready", "-U", "x"])
    assert answer is not None and (answer.code, answer.stderr) == (2, b"no")
    assert found.answer(["date"]) is None
    assert found.answer(["date", "-u"]) is not None


def test_jitter_is_the_same_each_time_and_differs_between_pods() -> None:
    said = Rules([of(Stage(delay=10, jitter="10s", exitCode=0))])
    ends = [said.script(asked(uid=f"u{n}")).end.after for n in range(50)]
    assert ends == [said.script(asked(uid=f"u{n}")).end.after for n in range(50)]
    assert all(10 <= end < 20 for end in ends)
    assert len(set(ends)) > 40 and max(ends) - min(ends) > 5


names = st.sampled_from(["a", "b", "c", "*"])
selectors = st.builds(
    Selector,
    matchNamespaces=st.lists(names, max_size=2).map(tuple),
    matchNames=st.lists(names, max_size=2).map(tuple),
    matchLabels=st.dictionaries(names, names, max_size=2),
    matchImages=st.lists(names, max_size=2).map(tuple),
    matchContainers=st.lists(names, max_size=2).map(tuple),
    attempts=st.none() | st.integers(0, 2),
)
containers = st.builds(
    Imagined, namespace=names, pod=names, uid=names, labels=st.dictionaries(names, names, max_size=3), name=names,
    image=names, attempt=st.integers(0, 2),
)  # fmt: skip


@given(st.lists(selectors, max_size=8), containers)
def test_rules_put_in_order_say_what_looking_through_all_would(listed: list[Selector], container: Imagined) -> None:
    behaviours = [Behaviour(selector=each, stages=(Stage(delay=n, exitCode=n),)) for n, each in enumerate(listed)]
    expected = NOTHING
    for behaviour in behaviours:
        alone = Rules([behaviour]).script(container)
        expected = alone if alone != NOTHING else expected
    assert Rules(behaviours).script(container) == expected


def test_many_rules_about_others_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [of(FAILS, matchLabels={"app": f"app-{n}"}) for n in range(3000)]
    listed += [of(FAILS, matchNames=(f"pod-{n}",)) for n in range(3000)]
    said, looked = Rules([*listed, of(Stage(live=False), matchLabels={"app": "web"})]), 0
    matches = module._Rule.matches

    def counted(rule: module._Rule, asked: Imagined) -> bool:
        nonlocal looked
        looked += 1
        return matches(rule, asked)

    monkeypatch.setattr(module._Rule, "matches", counted)
    assert said.script(asked()).live is not None
    assert looked == 1
    assert NO_RULES.script(asked()) is NOTHING and looked == 1


BAD: list[tuple[str, str]] = [
    ("[", "truncated"),
    ('[{"stages": [{"delay": "soon"}]}]', 'time: invalid duration "soon"'),
    ('[{"stages": [{"delay": -1}]}]', "-1.0 is not between 0 and 1000000000 seconds"),
    ('[{"stages": [{"jitter": 1e300}]}]', "is not between"),
    ('[{"stages": [{"exit": 1}]}]', "unknown field `exit`"),
    ('[{"stages": [{"exitCode": 256}]}]', "exitCode 256 is not between 0 and 255"),
    ('[{"stages": [{"exitCode": 1}, {"log": "more"}]}]', "no stage may follow one with an exitCode"),
    ('[{"stages": [{"usage": {"gpu": "1"}}]}]', 'not of "gpu"'),
    ('[{"stages": [{"usage": {"cpu": "much"}}]}]', '"much": quantities must match'),
    ('[{"stages": [{"usage": {"cpu": "-1"}}]}]', "less than nothing"),
    ('[{"selector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}]', '"Gt" is not a valid label selector'),
    ('[{"execs": [{"command": ["a"], "delay": "x"}]}]', "invalid duration"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_makes_no_sense_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadBehaviour) as caught:
        Rules(read(text))
    assert why in str(caught.value)


def test_what_is_written_is_read() -> None:
    text = """[{"selector": {"matchLabels": {"app": "web"}},
                "stages": [{"delay": "1s", "ready": true}, {"delay": "5m", "exitCode": 137, "reason": "OOMKilled"}]}]"""
    found = Rules(read(text)).script(asked())
    assert found.end == Ending(301.0, 137, "OOMKilled")
