"""Rules of ingresses, their classes, network policies and endpoints that no recorded answer shows."""

from __future__ import annotations

from typing import Any

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, said, said_of_update

META: dict[str, Any] = {"name": "a", "namespace": "default"}
PORT = "must be between 1 and 65535, inclusive"
LOOPBACK = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
THREE = ",".join(['"10.0.0.0/8"'] * 3)
FAMILIES = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
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
        ("servicecidrs.networking.k8s.io", {"spec": {"cidrs": []}}, [
            "spec.cidrs: Required value: at least one CIDR required"]),
        ("servicecidrs.networking.k8s.io", {"spec": {"cidrs": ["10.0.0.0/8"] * 3}}, [
            f'spec.cidrs: Invalid value: {{"CIDRs":[{THREE}]}}: may only hold up to 2 values']),
        ("servicecidrs.networking.k8s.io", {"spec": {"cidrs": ["10.0.0.1/8", "2001:DB8::/64"]}}, [
            'spec.cidrs[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
            'spec.cidrs[1]: Invalid value: "2001:DB8::/64": must be in canonical form ("2001:db8::/64")']),
        ("servicecidrs.networking.k8s.io", {"spec": {"cidrs": ["10.0.0.0/08", "11.0.0.0/8"]}}, [
            'spec.cidrs[0]: Invalid value: "10.0.0.0/08": must not have leading 0s in IP or prefix length',
            f'spec.cidrs: Invalid value: ["10.0.0.0/08","11.0.0.0/8"]: {FAMILIES}']),
        ("ipaddresses.networking.k8s.io", {"spec": {"parentRef": {
            "group": "A!", "resource": "a/b", "namespace": "%"}}}, [
            f'spec.parentRef.group: Invalid value: "A!": {SUBDOMAIN}',
            "spec.parentRef.resource: Invalid value: \"a/b\": may not contain '/'",
            "spec.parentRef.name: Required value",
            "spec.parentRef.namespace: Invalid value: \"%\": may not contain '%'"]),
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


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["10.0.0.0/8"], ["10.0.0.0/8", "fd00::/64"], []),
        (["10.0.0.0/8"], ["11.0.0.0/8"], ['spec.cidrs[0]: Invalid value: "11.0.0.0/8": field is immutable']),
        (["10.0.0.0/8"], ["11.0.0.0/8", "12.0.0.0/8"], [
            'spec.cidrs[0]: Invalid value: "11.0.0.0/8": field is immutable',
            f'spec.cidrs: Invalid value: ["11.0.0.0/8","12.0.0.0/8"]: {FAMILIES}']),
        (["10.0.0.0/8", "fd00::/64"], ["10.0.0.0/8"], [
            'spec.cidrs: Invalid value: ["10.0.0.0/8"]: field is immutable']),
    ],
)  # fmt: skip
def test_a_service_range_may_get_a_second_family(before: list[str], after: list[str], expected: list[str]) -> None:
    old, new = ({"metadata": META, "spec": {"cidrs": each}} for each in (before, after))
    assert said_of_update(BY_RESOURCE["servicecidrs.networking.k8s.io"], old, new) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10.0.0.1", []),
        ("2001:db8::1", []),
        ("2001:DB8::1", ['must be in canonical form ("2001:db8::1")']),
        ("010.0.0.1", ["must not have leading 0s"]),
        ("::ffff:10.0.0.1", ["must not be an IPv4-mapped IPv6 address"]),
        ("x", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
    ],
)
def test_the_name_of_an_address_is_the_address(name: str, expected: list[str]) -> None:
    assert BY_RESOURCE["ipaddresses.networking.k8s.io"].name_errors(name) == expected
