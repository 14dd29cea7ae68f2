"""What the certificate controllers read."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import parse_timestamp


class Condition(Part):
    type: str = ""
    lastUpdateTime: str | None = None


class RequestSpec(Part):
    """`request` is base64 of PEM."""

    request: str = ""
    signerName: str = ""
    usages: list[str] = []
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    expirationSeconds: int | None = None


class RequestStatus(Part):
    conditions: list[Condition] = []
    certificate: str = ""


class SigningRequest(View):
    KIND: ClassVar[Kind] = kinds.CERTIFICATE_SIGNING_REQUEST

    spec: RequestSpec = RequestSpec()
    status: RequestStatus = RequestStatus()

    def is_(self, verdict: str) -> bool:
        return any(condition.type == verdict for condition in self.status.conditions)


def created(request: SigningRequest) -> datetime:
    assert request.metadata.creationTimestamp is not None  # the API server sets it
    return parse_timestamp(request.metadata.creationTimestamp)


class Address(Part):
    type: str = ""
    address: str = ""


class NodeStatus(Part):
    addresses: list[Address] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    status: NodeStatus = NodeStatus()
