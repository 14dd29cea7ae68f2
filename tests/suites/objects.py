"""Objects as a user would write them, with as little in them as the API takes. What a test is about it says itself.

Views, as components read objects, are made beside their tests (`unit/node/build.py`, `unit/scheduler/build.py`).
"""

from __future__ import annotations

from typing import Any

from longboat.machinery.objects import Object


def container(
    name: str = "c", *, requests: Object | None = None, limits: Object | None = None, **fields: Any
) -> Object:
    """`fields` are its own, the image among them; what it asks for may be said by `requests` and `limits`."""
    asked = {key: value for key, value in (("requests", requests), ("limits", limits)) if value is not None}
    return {"name": name, "image": "i:1", **({"resources": asked} if asked else {}), **fields}


def pod(name: str = "p", *containers: Object, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """`spec` are its spec's fields; without containers it has one."""
    metadata: Object = {"name": name, "labels": labels} if labels else {"name": name}
    listed = list(containers) or [container()]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": listed, **spec}}
