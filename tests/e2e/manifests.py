"""Manifests that tests apply, as dicts."""

from __future__ import annotations

from typing import Any

BUSYBOX, WEB = "longboat.local/busybox:1", "longboat.local/web:1"


def web_deployment(name: str, replicas: int = 3, **template: Any) -> dict[str, Any]:
    """A Deployment of web servers that drain before they stop."""
    container = {
        "name": "web",
        "image": WEB,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, **template},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 10},
            },
        },
    }


def service(name: str, *, kind: str = "ClusterIP", port: int = 80, target: Any = "http") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]},
    }


def shell_pod(name: str, command: str = "sleep 1000000", *, node: str = "", **spec: Any) -> dict[str, Any]:
    """A pod running one shell command, on a given node if one is named."""
    where = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    container = {"name": "main", "image": WEB, "command": ["sh", "-c", command]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **where, **spec},
    }
