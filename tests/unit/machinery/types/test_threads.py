"""Types are put together when first asked for, on the loop and beside it: nobody meets half a one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.machinery.types import schema
from longboat.machinery.types.schema import WARN, Schema

META = {"name": "x", "labels": {"a": "b"}}
TEMPLATE = {
    "metadata": META,
    "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "E", "value": "v"}]}]},
}
SELECTOR = {"matchLabels": {"a": "b"}}
OBJECTS: dict[Kind, Any] = {
    kinds.STATEFUL_SET: {"metadata": META, "spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "s"}},
    kinds.DEPLOYMENT: {"metadata": META, "spec": {"selector": SELECTOR, "template": TEMPLATE}},
    kinds.POD: {"metadata": META, "spec": TEMPLATE["spec"]},
}


@pytest.fixture
def hurried() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_many_threads_ask_first() -> None:
    """A StatefulSet once came without its selector, and a Pod without its name."""
    bodies = {kind: json.dumps(obj).encode() for kind, obj in OBJECTS.items()}
    meant = {kind: schema.load().decode(kind, body, validation=WARN) for kind, body in bodies.items()}
    with ThreadPoolExecutor(6) as threads:
        for _ in range(10):
            asked = [*OBJECTS, *OBJECTS]
            together = partial(decode, schema.load.__wrapped__(), Barrier(len(asked)))
            for kind, found in zip(asked, threads.map(together, asked, [bodies[kind] for kind in asked]), strict=True):
                assert found == meant[kind]


def decode(fresh: Schema, barrier: Barrier, kind: Kind, body: bytes) -> tuple[Any, list[str]]:
    barrier.wait()
    return fresh.decode(kind, body, validation=WARN)
