"""What may be asked of a pod's log: told before the pod is looked for."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest

from longboat.apiserver.request import Request, RequestInfo
from longboat.apiserver.streams.pods import PodStreams
from longboat.machinery.errors import StatusError
from suites.objects import pod


async def log(name: str, query: str) -> int:
    """Of pods there is one, `p`, that no node has yet."""
    nobody: Any = None  # is not asked
    streams = PodStreams(lambda _kind, _namespace, asked: pod() if asked == "p" else None, nobody, nobody)
    path = f"/api/v1/namespaces/default/pods/{name}/log"
    info = RequestInfo(path, "get", True, "", "v1", "default", "pods", "log", name)
    return (await streams.log(Request("GET", path, parse_qs(query), {}, nobody, info=info))).status


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tailLines=-1&limitBytes=0&sinceSeconds=0",
         "[tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be "
         "greater than 0, sinceSeconds: Invalid value: 0: must be greater than 0]"),
        ("sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z",
         "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"),
        ("stream=Stdout", "stream: Forbidden: may not be specified"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["p", "none"])
def test_options_that_are_refused(query: str, message: str, name: str) -> None:
    with pytest.raises(StatusError) as refused:
        asyncio.run(log(name, query))
    assert (refused.value.code, refused.value.message) == (422, f'PodLogOptions "{name}" is invalid: {message}')


def test_others_are_taken() -> None:
    assert asyncio.run(log("p", "tailLines=0&limitBytes=1&sinceSeconds=1")) == 200
    with pytest.raises(StatusError) as refused:
        asyncio.run(log("none", ""))
    assert refused.value.code == 404
