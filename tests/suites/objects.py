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


def node(name: str, **spec: Any) -> Object:
    labels = {"kubernetes.io/hostname": name}
    made: Object = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}}
    return made | ({"spec": spec} if spec else {})


def service(name: str = "web", **spec: Any) -> Object:
    """For pods labelled `app` with its name, on port 80, unless `spec` says otherwise."""
    body = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": body}


def deployment(name: str = "web", replicas: int = 3, *containers: Object, image: str = "web:1", **spec: Any) -> Object:
    """Of pods labelled `app` with its name."""
    listed = list(containers) or [container(image=image, ports=[{"name": "http", "containerPort": 80}])]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": listed}}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name}, "spec": body}
