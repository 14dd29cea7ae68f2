"""Which autoscalers select a pod."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longboat.client.interface import Key
from longboat.controllers.autoscaling.selecting import Selecting
from longboat.machinery import selectors

TEXTS = ("app=web", "app in (web,api)", "app", "!app", "tier!=back", "tier notin (back),app=api", "app==web,tier=back")
labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["web", "api", "back"]))
keys = st.builds(Key, st.sampled_from(["shop", "bank"]), st.sampled_from(["a", "b", "c"]))


@given(st.lists(st.tuples(keys, st.sampled_from([*TEXTS, None]))), labels)
def test_it_finds_whose_selector_matches(steps: list[tuple[Key, str | None]], pod: dict[str, str]) -> None:
    kept, known = Selecting(), dict[Key, str]()
    for key, text in steps:
        if text is None:
            kept.drop(key)
            known.pop(key, None)
        else:
            kept.put(key, selectors.parse(text))
            known[key] = text
    for namespace in ("shop", "bank"):
        expected = {k for k, text in known.items() if k.namespace == namespace and selectors.parse(text).matches(pod)}
        assert kept.those_of(namespace, pod) == expected


def test_a_pod_asks_only_those_it_may_be_selected_by() -> None:
    asked = list[str]()

    class Counting(selectors.LabelSelector):
        def matches(self, labels: object) -> bool:
            asked.append(str(self))
            return super().matches(labels)  # type: ignore[arg-type]

    kept = Selecting()
    for number in range(1000):
        parsed = selectors.parse(f"app=web-{number}")
        kept.put(Key("shop", f"scaler-{number}"), Counting(parsed.requirements))
    assert kept.those_of("shop", {"app": "web-7"}) == {Key("shop", "scaler-7")}
    assert asked == ["app=web-7"]
    for number in range(1000):
        kept.drop(Key("shop", f"scaler-{number}"))
    assert not kept._at and not kept._of
