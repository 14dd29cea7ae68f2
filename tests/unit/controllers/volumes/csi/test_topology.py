"""Where volumes may be made, and where they can be used (CSI TopologyRequirement)."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.storage import StorageClass
from longboat.controllers.volumes.csi import topology


def test_a_node_is_somewhere_only_when_it_says_so_for_every_key() -> None:
    labels = {"zone": "z", "rack": "r", "other": "x"}
    assert topology.of_node(["zone", "rack"], labels) == {"zone": "z", "rack": "r"}
    assert topology.of_node(["zone", "row"], labels) is None
    assert topology.of_node([], labels) == {}


def test_what_a_class_allows_is_multiplied_out() -> None:
    terms = [
        {"matchLabelExpressions": [{"key": "zone", "values": ["a", "b"]}, {"key": "rack", "values": ["1", "2"]}]},
        {"matchLabelExpressions": [{"key": "zone", "values": ["c"]}]},
    ]
    found = topology.allowed(msgspec.convert({"allowedTopologies": terms}, StorageClass))
    assert found == [
        {"zone": "a", "rack": "1"}, {"zone": "a", "rack": "2"}, {"zone": "b", "rack": "1"}, {"zone": "b", "rack": "2"},
        {"zone": "c"},
    ]  # fmt: skip
    assert topology.within({"zone": "c", "rack": "9"}, found)
    assert not topology.within({"zone": "a", "rack": "9"}, found)


@given(st.lists(st.integers(0, 9), min_size=1), st.text())
def test_every_place_is_named_once_and_the_first_changes_with_the_seed(zones: list[int], seed: str) -> None:
    places = [{"zone": str(zone)} for zone in zones]
    found = topology.requirement(places, seed)
    assert found is not None
    named = [term["segments"]["zone"] for term in found["preferred"]]
    assert sorted(named) == sorted({str(zone) for zone in zones})
    assert found["requisite"] == found["preferred"]
    assert found == topology.requirement(list(reversed(places)), seed), "the same claim asks for the same"


def test_without_places_nothing_is_required() -> None:
    assert topology.requirement([], "x") is None
    assert topology.affinity([]) is None
    assert topology.affinity([{"segments": {}}]) is None


def test_where_a_volume_is_becomes_its_affinity() -> None:
    accessible = [{"segments": {"zone": "z", "rack": "r"}}, {"segments": {"zone": "y"}}]
    assert topology.affinity(accessible) == {
        "required": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "rack", "operator": "In", "values": ["r"]},
                        {"key": "zone", "operator": "In", "values": ["z"]},
                    ]
                },
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["y"]}]},
            ]
        }
    }
