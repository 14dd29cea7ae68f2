"""What the ingress gateway sees of Ingresses, their classes and their certificates."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind

# Certificates of Ingresses it reads by the ingress authorizer.
RIGHTS = "READ: networking/ingresses networking/ingressclasses\ncreate patch update: events"
SHARED_HOSTS = "longboat.dev/shared-hosts"  # annotation of a class: "true" lets namespaces serve each other's hosts


class Port(Part):
    name: str = ""
    number: int = 0


class ServiceBackend(Part):
    name: str = ""
    port: Port = Port()


class Backend(Part):
    service: ServiceBackend | None = None
    resource: dict[str, Any] | None = None


class HTTPPath(Part):
    path: str = "/"
    pathType: str = "ImplementationSpecific"
    backend: Backend = Backend()


class HTTP(Part):
    paths: list[HTTPPath] = []


class Rule(Part):
    host: str = ""
    http: HTTP | None = None


class TLS(Part):
    hosts: list[str] = []
    secretName: str = ""


class IngressSpec(Part):
    ingressClassName: str | None = None
    defaultBackend: Backend | None = None
    rules: list[Rule] = []
    tls: list[TLS] = []


class Ingress(View):
    KIND: ClassVar[Kind] = kinds.INGRESS

    spec: IngressSpec = IngressSpec()


class IngressClassSpec(Part):
    controller: str = ""


class IngressClass(View):
    KIND: ClassVar[Kind] = kinds.INGRESS_CLASS

    spec: IngressClassSpec = IngressClassSpec()


class Certificate(View):
    """A Secret of type kubernetes.io/tls; data values are base64."""

    KIND: ClassVar[Kind] = kinds.SECRET

    data: dict[str, str] = {}
    type: str = ""
