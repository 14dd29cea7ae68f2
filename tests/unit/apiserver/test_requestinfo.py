"""From URLs to what they ask for. No trick of a path reaches what the path does not name (security lesson 11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.apiserver.requestinfo import parse

CASES = [
    ("GET", "/api/v1/pods", "list", "", "", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods", "list", "", "a", "pods", "", ""),
    ("GET", "/api/v1/namespaces/a/pods/b", "get", "", "a", "pods", "", "b"),
    ("HEAD", "/api/v1/namespaces/a/pods/b", "get", "", "a", "pods", "", "b"),
    ("GET", "/api/v1/namespaces/a/pods/b/log", "get", "", "a", "pods", "log", "b"),
    ("POST", "/api/v1/namespaces/a/pods/b/binding", "create", "", "a", "pods", "binding", "b"),
    ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "", "a", "pods", "", ""),
    ("DELETE", "/api/v1/namespaces/a/pods/b", "delete", "", "a", "pods", "", "b"),
    ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", "patch", "apps", "a", "deployments", "scale", "b"),
    ("PUT", "/apis/apps/v1/namespaces/a/deployments/b", "update", "apps", "a", "deployments", "", "b"),
    ("GET", "/api/v1/namespaces", "list", "", "", "namespaces", "", ""),
    ("GET", "/api/v1/namespaces/a", "get", "", "a", "namespaces", "", "a"),
    ("PUT", "/api/v1/namespaces/a/finalize", "update", "", "a", "namespaces", "finalize", "a"),
    ("GET", "/api/v1/nodes/n/proxy/metrics", "get", "", "", "nodes", "proxy", "n"),
    ("GET", "/api/v1/watch/namespaces/a/pods", "watch", "", "a", "pods", "", ""),
]


@pytest.mark.parametrize(("method", "path", "verb", "group", "namespace", "resource", "subresource", "name"), CASES)
def test_resources(
    method: str, path: str, verb: str, group: str, namespace: str, resource: str, subresource: str, name: str
) -> None:
    info = parse(method, path, {})
    assert info.is_resource
    assert (info.verb, info.group, info.namespace) == (verb, group, namespace)
    assert (info.resource, info.subresource, info.name) == (resource, subresource, name)


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz", "/openapi/v2", "/metrics",
     "/api/v1/namespaces/a/../b/secrets", "/api/v1/./pods", "/api/v1//pods", "/API/v1/pods"],
)  # fmt: skip
def test_others(path: str) -> None:
    info = parse("GET", path, {})
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


@pytest.mark.parametrize(
    ("query", "verb", "name"),
    [({"watch": ["true"]}, "watch", ""), ({"watch": ["1"]}, "watch", ""), ({"watch": ["false"]}, "list", ""),
     ({"watch": ["true"], "fieldSelector": ["metadata.name=b"]}, "watch", "b")],
)  # fmt: skip
def test_watches(query: dict[str, list[str]], verb: str, name: str) -> None:
    info = parse("GET", "/api/v1/namespaces/a/pods", query)
    assert (info.verb, info.name) == (verb, name)


@given(st.lists(st.sampled_from(["api", "apis", "v1", "apps", "namespaces", "a", "pods", "..", ".", "", "status"])))
def test_whatever_comes_is_understood_or_left_alone(segments: list[str]) -> None:
    info = parse("GET", "/" + "/".join(segments), {})
    if info.is_resource:
        assert info.resource and ".." not in (info.namespace, info.resource, info.name, info.subresource)
        assert info.namespace in ("", *segments)
