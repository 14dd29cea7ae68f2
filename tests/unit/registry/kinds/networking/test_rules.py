"""Rules of ingresses, their classes, network policies and endpoints that no recorded answer shows."""

from __future__ import annotations

from typing import Any

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, said

META: dict[str, Any] = {"name": "a", "namespace": "default"}
PORT = "must be between 1 and 65535, inclusive"
LOOPBACK = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
FROM, PATHS = "spec.ingress[0].from", "spec.rules[0].http.paths"


def _paths(*paths: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"rules": [{"http": {"paths": list(paths)}}]}}


def _policy(**rule: Any) -> dict[str, Any]:
    return {"spec": {"podSelector": {}, "ingress": [rule]}}


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        ("ingresses.networking.k8s.io", {"spec": {"rules": [{"host": "10.0.0.1"}]}}, [
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address']),
        ("ingresses.networking.k8s.io", _paths(
            {"path": "a", "pathType": "Exact", "backend": {
                "service": {"name": "x", "port": {"number": 80, "name": "b"}}, "resource": {"kind": "K", "name": "n"}}},
            {"path": "/a//b", "pathType": "Prefix", "backend": {}}, {"path": "/a", "backend": {}}), [
            f'{PATHS}[0].path: Invalid value: "a": must be an absolute path',
            f'{PATHS}[0].backend: Invalid value: "": cannot set both resource and service backends',
            f"{PATHS}[1].path: Invalid value: \"/a//b\": must not contain '//'",
            f'{PATHS}[1].backend: Invalid value: "": resource or service backend is required',
            f"{PATHS}[2].pathType: Required value: pathType must be specified"]),
        ("ingressclasses.networking.k8s.io", {"spec": {"controller": "x", "parameters": {
            "kind": "", "name": "n", "scope": "Namespace"}}}, [
            'spec.controller: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")',
            "spec.parameters.kind: Required value",
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"]),
        ("networkpolicies.networking.k8s.io", _policy(ports=[
            {"port": 0, "endPort": 5}, {"port": 80, "endPort": 70}, {"endPort": 3}]), [
            f"spec.ingress[0].ports[0].port: Invalid value: 0: {PORT}",
            "spec.ingress[0].ports[1].endPort: Invalid value: 80: must be greater than or equal to `port`",
            "spec.ingress[0].ports[2].endPort: Invalid value: 3: may not be specified when `port` is not specified"]),
        ("networkpolicies.networking.k8s.io", {"spec": {"podSelector": {}, "ingress": [{"from": [
            {}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}, "podSelector": {}},
            {"ipBlock": {"cidr": ""}}]}]}}, [
            f"{FROM}[0]: Required value: must specify a peer",
            f'{FROM}[1].ipBlock.except[0]: Invalid value: "11.0.0.0/8": must be a strict subset of `cidr`',
            f"{FROM}[1]: Forbidden: may not specify both ipBlock and another peer",
            f"{FROM}[2].ipBlock.cidr: Required value"]),
        ("endpointslices.discovery.k8s.io", {"addressType": "IPv4", "endpoints": [{
            "addresses": ["::1", "10.0.0.1"], "hints": {
                "forZones": [{"name": "a"}, {"name": "a"}], "forNodes": [{"name": "x"}, {"name": "x"}]}}]}, [
            'endpoints[0].addresses[0]: Invalid value: "::1": must be an IPv4 address',
            f'endpoints[0].addresses[0]: Invalid value: "::1": {LOOPBACK}',
            'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
            'endpoints[0].hints.forNodes[1].name: Duplicate value: "x"']),
        ("endpoints", {"subsets": [{}, {
            "addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 0, "name": "x"}, {"port": 5}]}]}, [
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
            f'subsets[1].addresses[0].ip: Invalid value: "127.0.0.1": {LOOPBACK}',
            f"subsets[1].ports[0].port: Invalid value: 0: {PORT}",
            "subsets[1].ports[1].name: Required value"]),
    ],
)  # fmt: skip
def test_of_new_objects(resource: str, obj: dict[str, Any], expected: list[str]) -> None:
    assert said(BY_RESOURCE[resource], {"metadata": META, **obj}) == expected
