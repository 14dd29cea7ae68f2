"""What containers find in their environment: from ConfigMaps, Secrets, Services and other variables (sig-node)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from conformance.node.pods import Pods, container, pod, until
from e2e.manifests import WEB
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

DATA = {"data-1": "value-1", "data-2": "value-2", "data_3": "value-3"}
PREFIXES = ("", "p_", "1-", "$_-", ".a:", "#~ (%)", "Ab")


def shows(name: str, env: list[Object] | None = None, **fields: Any) -> Object:
    """A pod that prints its environment; without a shell, which would drop names it cannot use."""
    return pod(name, container(command=["env"], env=env or [], **fields))


def prefixed(kind: str) -> list[Object]:
    return [{"prefix": prefix, kind: {"name": "data"}} for prefix in PREFIXES]


def valued(**values: str) -> list[Object]:
    return [{"name": name, "value": value} for name, value in values.items()]


CONFIG_KEY = {"name": "CONFIG_DATA_1", "valueFrom": {"configMapKeyRef": {"name": "data", "key": "data-1"}}}
SECRET_KEY = {"name": "SECRET_DATA", "valueFrom": {"secretKeyRef": {"name": "data", "key": "data-1"}}}
COMPOSED = valued(FOO="foo-value", BAR="bar-value", FOOBAR="$(FOO);;$(BAR)", LITERAL="$$(FOO)", UNKNOWN="$(NOPE)")
EXPANDED = 'test-value $(TEST_VAR) "$(NOPE)"'

START = [
    {"kind": "ConfigMap", "metadata": {"name": "data"}, "data": DATA},
    {"kind": "Secret", "metadata": {"name": "data"},
     "data": {key: b64encode(value.encode()).decode() for key, value in DATA.items()}},
    shows("config-key", [CONFIG_KEY]),
    shows("config-all", envFrom=[{"configMapRef": {"name": "data"}}]),
    shows("config-prefixed", envFrom=prefixed("configMapRef")),
    shows("secret-key", [SECRET_KEY]),
    shows("secret-all", envFrom=[{"secretRef": {"name": "data"}}]),
    shows("secret-prefixed", envFrom=prefixed("secretRef")),
    shows("composed", COMPOSED),
    pod("in-command", container(command=["sh", "-c", 'echo "$(TEST_VAR)"'], env=valued(TEST_VAR="test-value"))),
    pod("in-args", container(command=["echo"], args=["$(TEST_VAR)", "$$(TEST_VAR)", '"$(NOPE)"'],
                             env=valued(TEST_VAR="test-value"))),
    {**pod("server", {"name": "main", "image": WEB, "imagePullPolicy": "IfNotPresent", "env": valued(PORT="9376")}),
     "metadata": {"name": "server", "labels": {"name": "server"}}},
    {"kind": "Service", "metadata": {"name": "fooservice"},
     "spec": {"selector": {"name": "server"}, "ports": [{"port": 8765, "targetPort": 8080}]}},
]  # fmt: skip


def environment(pods: Pods, name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in pods.said(name))


def prefixed_data(pods: Pods, name: str) -> dict[str, str]:
    """What the pod has of DATA, under whichever prefix."""
    return {name: value for name, value in environment(pods, name).items() if name.endswith(tuple(DATA))}


ALL_PREFIXED = {prefix + key: value for prefix in PREFIXES for key, value in DATA.items()}


def test_a_key_of_a_config_map(pods: Pods) -> None:
    """Conformance: ConfigMap, from environment field"""
    assert environment(pods, "config-key")["CONFIG_DATA_1"] == "value-1"


def test_all_of_a_config_map(pods: Pods) -> None:
    """Conformance: ConfigMap, from environment variables"""
    found = environment(pods, "config-all")
    assert {key: found[key] for key in DATA} == DATA


def test_a_config_map_under_prefixes(pods: Pods) -> None:
    """Conformance: ConfigMap, from environment field with various prefixes"""
    assert prefixed_data(pods, "config-prefixed") == ALL_PREFIXED


def test_a_key_of_a_secret(pods: Pods) -> None:
    """Conformance: Secrets, pod environment field"""
    assert environment(pods, "secret-key")["SECRET_DATA"] == "value-1"


def test_all_of_a_secret(pods: Pods) -> None:
    """Conformance: Secrets, pod environment from source

    [sig-node] Secrets should be consumable via the environment [NodeConformance] [Conformance]
    """
    found = environment(pods, "secret-all")
    assert {key: found[key] for key in DATA} == DATA


def test_a_secret_under_prefixes(pods: Pods) -> None:
    """Conformance: Secrets, pod environment from source

    [sig-node] Secrets should be consumable as environment variable names variable names with various prefixes
    [Conformance]
    """
    assert prefixed_data(pods, "secret-prefixed") == ALL_PREFIXED


def test_variables_made_of_variables(pods: Pods) -> None:
    """Conformance: Environment variables, expansion"""
    found = environment(pods, "composed")
    assert (found["FOO"], found["BAR"], found["FOOBAR"]) == ("foo-value", "bar-value", "foo-value;;bar-value")
    assert (found["LITERAL"], found["UNKNOWN"]) == ("$(FOO)", "$(NOPE)")


def test_variables_in_the_command(pods: Pods) -> None:
    """Conformance: Environment variables, command expansion"""
    assert pods.said("in-command") == ["test-value"]


def test_variables_in_arguments(pods: Pods) -> None:
    """Conformance: Environment variables, command argument expansion"""
    assert pods.said("in-args") == [EXPANDED]


def test_services(pods: Pods) -> None:
    """Conformance: Pods, service environment variables"""
    pods.ready("server")
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{pods.namespace}/endpointslices"
    until(lambda: any(item["endpoints"] for item in pods.api.get(slices)["items"]), "the service has no endpoints")
    pods.create(shows("client"))
    address = pods.api.get(f"{pods.base}/services/fooservice")["spec"]["clusterIP"]
    found = environment(pods, "client")
    assert {name: value for name, value in found.items() if name.startswith("FOOSERVICE_")} == {
        "FOOSERVICE_SERVICE_HOST": address,
        "FOOSERVICE_SERVICE_PORT": "8765",
        "FOOSERVICE_PORT": f"tcp://{address}:8765",
        "FOOSERVICE_PORT_8765_TCP": f"tcp://{address}:8765",
        "FOOSERVICE_PORT_8765_TCP_PORT": "8765",
        "FOOSERVICE_PORT_8765_TCP_PROTO": "tcp",
        "FOOSERVICE_PORT_8765_TCP_ADDR": address,
    }
