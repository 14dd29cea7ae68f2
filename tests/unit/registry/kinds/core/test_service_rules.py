"""Rules of services that no recorded answer shows."""

from __future__ import annotations

from typing import Any

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, CTX, changed, made, said, said_of_update

SERVICE = BY_RESOURCE["services"]
WEB: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
BALANCER: dict[str, Any] = {"spec__type": "LoadBalancer"}
BITS = "must not have bits set beyond the prefix length"
ZEROS = "must not have leading 0s"
AFFINITY: dict[str, Any] = {"spec__sessionAffinity": "ClientIP"}
SECONDS = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metadata__annotations": {HINTS: "Auto", MODE: "auto"}}, [
            f'metadata.annotations[{MODE}]: Invalid value: "auto": '
            f"must match annotations[{HINTS}] when both are specified"]),
        ({"spec__type": "ExternalName", "spec__externalName": "a", "spec__ipFamilyPolicy": "",
          "spec__ipFamilies": ["IPv4"]},
         ["spec.ipFamilies: Forbidden: may not be set for ExternalName services",
          "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services"]),
        ({"spec__ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}, [
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,'
            '"NodePort":0}']),
        (AFFINITY | {"spec__sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}}, [
            f"{SECONDS}: Invalid value: 0: must be greater than 0 and less than 86400"]),
        ({"spec__externalIPs": ["010.0.0.1"]}, [f'spec.externalIPs[0]: Invalid value: "010.0.0.1": {ZEROS}']),
        ({"spec__externalIPs": ["::ffff:10.0.0.1"]}, [
            'spec.externalIPs[0]: Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address']),
        (BALANCER | {"spec__loadBalancerSourceRanges": [" 10.0.0.1/8 "]}, [
            f'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": {BITS}']),
        (BALANCER | {"metadata__annotations": {RANGES: "10.0.0.0/8, 10.0.0.1/9"}}, [
            f'metadata.annotations[{RANGES}]: Invalid value: "10.0.0.1/9": {BITS}']),
        ({"metadata__annotations": {RANGES: ""}}, [
            f"metadata.annotations[{RANGES}]: Forbidden: may only be used when `type` is 'LoadBalancer'"]),
        (BALANCER | {"spec__ports": [{"port": 10250}]}, []),  # 1.36 no longer minds the port of the agent
        ({"spec__clusterIP": "", "spec__clusterIPs": ["10.0.0.1"]}, [
            'spec.clusterIPs: Invalid value: ["10.0.0.1"]: must be empty when `clusterIP` is not specified']),
        ({"spec__clusterIP": "10.0.0.1", "spec__clusterIPs": ["10.0.0.1", "10.0.0.2"]}, [
            'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: '
            "may specify no more than one IP for each IP family"]),
    ],
)  # fmt: skip
def test_of_new_services(change: dict[str, Any], expected: list[str]) -> None:
    assert said(SERVICE, changed(WEB, **change)) == expected


GIVEN = changed(
    WEB, spec__clusterIP="10.96.0.5", spec__clusterIPs=["10.96.0.5"], spec__ipFamilies=["IPv4"],
    spec__ipFamilyPolicy="SingleStack",
)  # fmt: skip
BOTH = changed(
    GIVEN, spec__clusterIPs=["10.96.0.5", "fd00::5"], spec__ipFamilies=["IPv4", "IPv6"],
    spec__ipFamilyPolicy="RequireDualStack",
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "change", "expected"),
    [
        (changed(GIVEN, spec__externalIPs=["010.0.0.1"]), {}, []),  # what an older version took may stay
        (changed(GIVEN, spec__externalIPs=["010.0.0.1"]), {"spec__externalIPs": ["010.0.0.1", "010.0.0.2"]}, [
            'spec.externalIPs[1]: Invalid value: "010.0.0.2": must not have leading 0s']),
        (changed(GIVEN, **BALANCER, spec__loadBalancerSourceRanges=["10.0.0.1/8"]), {
            "spec__loadBalancerSourceRanges": [" 10.0.0.1/8"]}, []),
        (GIVEN, {"spec__clusterIP": "10.96.0.6"}, [
            'spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set']),
        (BOTH, {"spec__clusterIPs": ["10.96.0.5"]}, [
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be set to \'SingleStack\' when releasing the '
            "secondary clusterIP"]),
        (changed(GIVEN, **BALANCER, spec__loadBalancerClass="a/b"), {"spec__loadBalancerClass": "c_"}, [
            'spec.loadBalancerClass: Invalid value: "c_": may not change once set',
            *2 * [f'spec.loadBalancerClass: Invalid value: "c_": {QUALIFIED}']]),
    ],
)  # fmt: skip
def test_of_changed_ones(old: dict[str, Any], change: dict[str, Any], expected: list[str]) -> None:
    assert said_of_update(SERVICE, old, changed(old, **change)) == expected


def test_an_old_client_that_clears_the_address_of_a_headless_service_keeps_it() -> None:
    old = made(SERVICE, changed(WEB, spec__clusterIP="None"))
    new = made(SERVICE, changed(old, spec__clusterIP=None, spec__clusterIPs=None))
    SERVICE.prepare_update(new, old, CTX)
    assert (new["spec"]["clusterIP"], new["spec"]["clusterIPs"]) == ("None", ["None"])


HEADLESS: dict[str, Any] = {"spec__clusterIP": "None", "spec__clusterIPs": ["None"]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        (HEADLESS | {"spec__sessionAffinity": "ClientIP", "spec__loadBalancerIP": "10.0.0.1"}, [
            "spec.loadBalancerIP is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services"]),
        ({"spec__externalName": "a"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
        ({"spec__clusterIP": "FD00::1", "spec__clusterIPs": ["FD00::1"]}, [
            'spec.clusterIPs[0]: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")']),
        ({"spec__loadBalancerIP": "010.0.0.1"}, [
            'spec.loadBalancerIP: non-standard IP address "010.0.0.1" '
            'will be considered invalid in a future Kubernetes release: use "10.0.0.1"']),
        ({"spec__loadBalancerSourceRanges": ["10.1.2.3/8"]}, [
            'spec.loadBalancerSourceRanges[0]: CIDR value "10.1.2.3/8" is ambiguous in this context '
            '(should be "10.0.0.0/8" or "10.1.2.3/32"?)']),
        ({"metadata__annotations": {HINTS: "Auto"}}, [f"annotation {HINTS} is deprecated, please use {MODE} instead"]),
    ],
)  # fmt: skip
def test_warnings(change: dict[str, Any], expected: list[str]) -> None:
    assert SERVICE.warnings(made(SERVICE, changed(WEB, **change)), None) == expected
