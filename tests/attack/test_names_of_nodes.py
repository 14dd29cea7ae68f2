"""A join token makes new nodes: it must not make a machine into a node that there is, whose Secrets it then reads."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attack.joining import Joiner, ask, join_token
from integration.apiserver.process import ControlPlane, control_plane
from longboat.client.enrolment import NODE_CLIENT
from longboat.node.certificates import client_wish


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as found:
        join_token(found)
        yield found


def is_there(plane: ControlPlane, name: str, who: ssl.SSLContext) -> None:
    node = {"metadata": {"name": name}, "spec": {}}
    assert plane.ask("POST", "/api/v1/nodes", node, context=who)[0] == 201


def test_a_node_s_name_is_given_to_nobody_else(plane: ControlPlane, tmp_path: Path) -> None:
    """A second machine asked for the same name and was that node: its pods' Secrets and ServiceAccount tokens."""
    node = Joiner(plane, "taken").context(tmp_path)
    is_there(plane, "taken", node)
    verdict = Joiner(plane, "taken").verdict()
    assert not verdict.get("certificate")
    (condition,) = verdict["conditions"]
    assert (condition["type"], condition["reason"]) == ("Denied", "NodeExists")
    assert "kubectl delete node taken" in condition["message"]
    renewed = ask(plane, NODE_CLIENT, client_wish("taken"), node)
    assert renewed.get("certificate"), "the node itself renews its own"
    assert plane.ask("DELETE", "/api/v1/nodes/taken")[0] == 200
    assert Joiner(plane, "taken").verdict().get("certificate"), "the name is free again"


def test_of_machines_that_ask_at_once_for_a_name_one_gets_it(plane: ControlPlane) -> None:
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: Joiner(plane, "new").verdict(1.5), range(8)))
    assert sum(bool(verdict.get("certificate")) for verdict in verdicts) == 1
