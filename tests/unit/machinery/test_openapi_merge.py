"""Swagger documents of several servers made one, as kube-openapi's aggregator makes them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.machinery import openapi_merge
from longboat.machinery.openapi_merge import TooLong, merge


def ref(name: str, place: str = "definitions") -> dict[str, str]:
    return {"$ref": f"#/{place}/{name}"}


def restricted(whole: Any, prefix: str, most: int = 10_000) -> Any:
    return openapi_merge.restricted(msgspec.json.encode(whole), prefix, most)


def document(**more: Any) -> dict[str, Any]:
    return {"swagger": "2.0", "paths": {}, "definitions": {}, **more}


def test_what_is_not_of_the_version_is_left_out() -> None:
    paths = {"/apis/a/v1/x": {"get": {"schema": ref("X")}}, "/apis/a/v10/x": ref("Z"), "/version/": ref("Z")}
    definitions = {"X": {"items": [ref("Y")]}, "Y": ref("X"), "Z": {}, "Unused": {}}
    parameters = {"p": {}, "q": {"schema": ref("Z")}}
    found = restricted(document(paths=paths, definitions=definitions, parameters=parameters), "/apis/a/v1/")
    assert found == {"paths": {"/apis/a/v1/x": paths["/apis/a/v1/x"]},
                     "definitions": {"X": definitions["X"], "Y": definitions["Y"]}}  # fmt: skip


def test_parameters_and_what_they_refer_to_are_kept() -> None:
    whole = document(paths={"/a/": ref("q", "parameters")}, parameters={"q": ref("Z")}, definitions={"Z": {}})
    assert restricted(whole, "/a/") == {
        "paths": whole["paths"], "parameters": whole["parameters"], "definitions": {"Z": {}}
    }  # fmt: skip


def test_a_definition_of_another_meaning_has_a_name_of_its_own() -> None:
    into = document(paths={"/a": ref("M")}, definitions={"M": {"type": "object"}, "M_v2": {"type": "string"}})
    theirs = {"M": {"type": "number"}, "F": {"properties": {"m": ref("M")}}}
    merge(into, document(paths={"/b": ref("F")}, definitions=theirs))
    assert into["paths"] == {"/a": ref("M"), "/b": ref("F")}
    assert into["definitions"] == {
        "M": {"type": "object"}, "M_v2": {"type": "string"}, "M_v3": {"type": "number"},
        "F": {"properties": {"m": ref("M_v3")}},
    }  # fmt: skip
    merge(into, document(paths={"/c": ref("M")}, definitions={"M": {"type": "number"}}))
    assert into["paths"]["/c"] == ref("M_v3") and len(into["definitions"]) == 4


def test_the_same_but_for_the_kinds_that_it_is_of_is_the_same() -> None:
    kinds = {"x-kubernetes-group-version-kind": [{"group": "a", "kind": "M", "version": "v1"}]}
    into = document(definitions={"M": {"type": "object", **kinds}})
    merge(into, document(definitions={"M": {"type": "object"}}))
    assert into["definitions"] == {"M": {"type": "object", **kinds}}


def test_a_path_is_the_firsts() -> None:
    into = document(paths={"/a": {"get": 1}})
    merge(into, document(paths={"/a": {"get": 2}, "/b": {}}))
    assert into["paths"] == {"/a": {"get": 1}, "/b": {}}


def test_parameters_are_told_apart_too() -> None:
    into = document(parameters={"p": {"in": "query"}})
    merge(into, document(paths={"/b": ref("p", "parameters")}, parameters={"p": {"in": "path"}}))
    assert into["paths"]["/b"] == ref("p_v2", "parameters")
    assert into["parameters"] == {"p": {"in": "query"}, "p_v2": {"in": "path"}}


def test_what_is_said_of_all_of_it_is_kept_and_answers_that_are_referred_to() -> None:
    info, paths = {"title": "t", "version": "1"}, {"/a/": ref("r", "responses")}
    whole = document(info=info, paths=paths, responses={"r": {"schema": ref("R")}, "s": {}}, definitions={"R": {}})
    assert restricted(whole, "/a/") == {
        "info": info, "paths": paths, "definitions": {"R": {}}, "responses": {"r": {"schema": ref("R")}},
    }  # fmt: skip


@pytest.mark.parametrize("whole", [[], {"paths": [1]}, {"definitions": None}, {"definitions": {}, "info": 1}])
def test_what_is_no_document_is_refused(whole: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        restricted(whole, "/")


def test_no_more_is_read_than_may_be_of_the_version() -> None:
    long = {"description": "x" * 5_000}
    whole = document(paths={"/a/": ref("A"), "/b/": long}, definitions={"A": ref("B"), "B": long, "C": long})
    assert restricted(whole, "/a/")["definitions"].keys() == {"A", "B"}
    with pytest.raises(TooLong):
        restricted(whole, "/a/", 5_000)
    with pytest.raises(TooLong):
        restricted(whole, "/b/", 5_000)
