"""JSONPath, as client-go has it."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.jsonpath import JSONPath

OBJ: Any = {
    "metadata": {"labels": {"app.kubernetes.io/name": "nm"}},
    "spec": {"l": ["p", "q", "r"], "o": {"a": 1}, "n": None,
             "c": [{"type": "Ready", "status": "True", "n": 5}, {"type": "Late", "status": "False", "n": 7}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.o.a", [1]),
        (".spec.x", []),
        (".spec.o.a.b", []),
        (".spec['o']['a']", [1]),
        (".spec['o','l'].a", [1]),
        (".spec.l[0]", ["p"]),
        (".spec.l[-1]", ["r"]),
        (".spec.l[0:2]", ["p", "q"]),
        (".spec.l[::2]", ["p", "r"]),
        (".spec.l[0,2]", ["p", "r"]),
        (".spec.l[*]", ["p", "q", "r"]),
        (".spec.o.*", [1]),
        (".spec.l[3]", []),
        (".spec.o[0]", []),
        (".spec.n[0]", []),
        ('.spec.c[?(@.type=="Ready")].status', ["True"]),
        (".spec.c[?(@.type=='Late')].status", ["False"]),
        (".spec.c[?(@.n > 5)].type", ["Late"]),
        (".spec.c[?(@.n)].type", ["Ready", "Late"]),
        (".spec.c[?(@.missing == 1)].type", []),
        (".spec.c[?(@.n == 'x')].type", []),
        ("..type", ["Ready", "Late"]),
        (".spec..a", [1]),
        (r".metadata.labels.app\.kubernetes\.io/name", ["nm"]),
        (".metadata.labels['app\\.kubernetes\\.io/name']", ["nm"]),
        (".metadata.labels['app.kubernetes.io/name']", ["nm"]),
    ],
)
def test_what_is_found(path: str, found: list[Any]) -> None:
    assert list(JSONPath(path).results(OBJ)) == found


@pytest.mark.parametrize("path", [".spec[", ".spec[x]", ".spec[?(@.a ==)]", "]", ".a[]", "." * 5000])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        JSONPath(path)


def test_a_path_that_would_never_end_finds_nothing() -> None:
    deep: Any = {"a": list(range(200))}
    for _ in range(200):
        deep = {"a": deep, "b": list(range(100))}
    assert list(JSONPath("..a..b").results(deep)) == []
