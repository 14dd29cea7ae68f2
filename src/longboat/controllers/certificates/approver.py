"""Approves what nodes ask for: a client certificate where they may, a serving one where the names are theirs.

Whether somebody may is asked of the API (SubjectAccessReview), as kube-controller-manager's csrapproving controller
does: of the pseudo-subresources `nodeclient`, `selfnodeclient`, and Longboat's `selfnodeserver`, `selfnetworkclient`.
"""

from __future__ import annotations

import ipaddress

import msgspec

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.certificates.requests import (
    CLIENT,
    NETWORK,
    NETWORK_PREFIX,
    NODE_CLIENT,
    NODE_PREFIX,
    NODE_SERVING,
    BadRequest,
    Wanted,
    check,
    read,
)
from longboat.controllers.certificates.views import Node, SigningRequest, created
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key

SERVING_WAITS = 1.0  # seconds: a node that has just come may not have told its addresses yet
HANDLED = (NODE_CLIENT, NODE_SERVING, CLIENT)
GIVES_UP_AFTER = 120.0


class Approver(Controller):
    name = "csrapproving"
    account = "certificate-controller"
    watches = (Watch(SigningRequest, own_key, when=lambda request: request.spec.signerName in HANDLED),)
    reads = (Node,)
    workers = 2

    async def reconcile(self, key: Key) -> Requeue | None:
        request = self.cache(SigningRequest).get(key)
        if request is None or request.is_("Approved") or request.is_("Denied"):
            return None
        try:
            wanted = read(request.spec.request)
            check(request.spec.signerName, wanted, request.spec.usages)
        except BadRequest:
            return None  # somebody else may know what to do with it
        if request.spec.signerName == NODE_SERVING:
            return await self._serving(key, request, wanted)
        if request.spec.signerName == CLIENT:
            await self._network(key, request, wanted)
            return None
        for subresource, what in self._ways(request, wanted):
            if await self._may(request, subresource):
                await self._approve(key, request, f"Auto approving {what} certificate after SubjectAccessReview.")
                return None
        return None

    @staticmethod
    def _ways(request: SigningRequest, wanted: Wanted) -> list[tuple[str, str]]:
        """The rights that would do, each with what it is for: one's own renewal first."""
        ways = [("nodeclient", "kubelet client")]
        if wanted.name == request.spec.username:
            ways.insert(0, ("selfnodeclient", "self kubelet client"))
        return ways

    async def _serving(self, key: Key, request: SigningRequest, wanted: Wanted) -> Requeue | None:
        """Only for itself, under its own name and addresses that no other node has."""
        if request.spec.username != wanted.name or not await self._may(request, "selfnodeserver"):
            return None
        name = wanted.name.removeprefix(NODE_PREFIX)
        if owns(name, wanted, self.cache(Node).values()):
            await self._approve(
                key, request, "Auto approving kubelet serving certificate: its names are the node's own."
            )
            return None
        waited = (self.clock.now() - created(request)).total_seconds()
        return Requeue(SERVING_WAITS) if waited < GIVES_UP_AFTER else None

    async def _network(self, key: Key, request: SigningRequest, wanted: Wanted) -> None:
        """What a node does for the network it does under another name, which follows from its own."""
        node = request.spec.username.removeprefix(NODE_PREFIX)
        if (wanted.name, wanted.groups) != (f"{NETWORK_PREFIX}{node}", (NETWORK,)) or wanted.dns or wanted.ips:
            return
        if request.spec.username.startswith(NODE_PREFIX) and await self._may(request, "selfnetworkclient"):
            await self._approve(key, request, "Auto approving network client certificate of the node.")

    async def _may(self, request: SigningRequest, subresource: str) -> bool:
        spec, kind = request.spec, kinds.CERTIFICATE_SIGNING_REQUEST
        attributes = {"group": kind.group, "resource": kind.plural, "verb": "create", "subresource": subresource}
        asked = {
            "user": spec.username, "uid": spec.uid, "groups": spec.groups, "extra": spec.extra,
            "resourceAttributes": {**attributes, "version": "*"},
        }  # fmt: skip
        answer = await self.client.create(kinds.SUBJECT_ACCESS_REVIEW, {"spec": asked})
        return bool(msgspec.json.decode(answer)["status"]["allowed"])

    async def _approve(self, key: Key, request: SigningRequest, message: str) -> None:
        condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
        patch = {
            "metadata": {"resourceVersion": request.metadata.resourceVersion},
            "status": {"conditions": [condition]},
        }
        await self.client.patch(kinds.CERTIFICATE_SIGNING_REQUEST, key, patch, subresource="approval")


def owns(name: str, wanted: Wanted, nodes: list[Node]) -> bool:
    """Whether every name wanted is the node's own: its name, or an address that it alone reports."""
    by_address: dict[str, set[str]] = {}
    for node in nodes:
        for address in node.status.addresses:
            by_address.setdefault(_normal(address.address), set()).add(node.metadata.name)
    return all(dns == name or by_address.get(dns) == {name} for dns in wanted.dns) and all(
        by_address.get(_normal(ip)) == {name} for ip in wanted.ips
    )


def _normal(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
