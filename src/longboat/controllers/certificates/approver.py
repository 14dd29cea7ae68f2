"""Approves what nodes ask for: a client certificate where they may, a serving one for what is the node's own.

Whether somebody may is asked of the API (SubjectAccessReview), as kube-controller-manager's csrapproving controller
does: of the pseudo-subresources `nodeclient`, `selfnodeclient`, and Longboat's `selfnodeserver`, `selfnetworkclient`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite

import msgspec

from longboat.api import kinds
from longboat.api.families import split
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
from longboat.machinery import addresses, names
from longboat.machinery.errors import StatusError

SERVING_WAITS = 1.0  # seconds: a node that has just come may not have told its addresses yet
CLAIM = 60.0  # seconds a machine that has joined has to create its Node, before another may be given the name
HANDLED = (NODE_CLIENT, NODE_SERVING, CLIENT)
GIVES_UP_AFTER = 120.0


class Approver(Controller):
    name = "csrapproving"
    account = "certificate-controller"
    rights = """
        get list watch: certificates/certificatesigningrequests
        update: certificates/certificatesigningrequests/approval
        approve: certificates/signers
        create: authorization/subjectaccessreviews
        get: nodes
    """
    watches = (Watch(SigningRequest, own_key, when=lambda request: request.spec.signerName in HANDLED),)
    options = ("service_cidr", "pod_cidr", "node_cidr", "load_balancer_pool")
    reads = (Node,)
    workers = 2
    # Ranges, with commas between; nodes may be anywhere where theirs is "".
    service_cidr = pod_cidr = node_cidr = load_balancer_pool = ""

    def setup(self) -> None:
        self._claims: dict[str, tuple[str, float]] = {}  # node: the request that was granted it lately, until when

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
                if subresource == "nodeclient" and (wait := await self._until_free(key, request, wanted)):
                    return Requeue(wait) if isfinite(wait) else None
                await self._approve(key, request, f"Auto approving {what} certificate after SubjectAccessReview.")
                return None
        return None

    async def _until_free(self, key: Key, request: SigningRequest, wanted: Wanted) -> float:
        """Seconds until the node's name may be this request's; 0: it is; without end: a node has it, or nobody can.

        A join token makes new nodes, and no machine into one that there is: that is denied. Of those that ask for a
        name at once one gets it, and the others wait until its Node is there or does not come.
        """
        node, now = wanted.name.removeprefix(NODE_PREFIX), self.clock.monotonic()
        if names.dns1123_subdomain(node):
            return inf
        try:
            await self.client.get_raw(kinds.NODE, Key("", node))  # the copy may lag: a name is not given on its word
        except StatusError as error:
            if error.code != 404:
                raise
        else:
            self._claims.pop(node, None)
            why = (
                f"node {node} exists. For another machine to have its name, delete it first: kubectl delete node {node}"
            )
            await self._decide(key, request, "Denied", "NodeExists", why)
            return inf
        self._claims = {name: claim for name, claim in self._claims.items() if claim[1] > now}
        holder, until = self._claims.setdefault(node, (request.metadata.uid, now + CLAIM))
        return 0.0 if holder == request.metadata.uid else until - now

    @staticmethod
    def _ways(request: SigningRequest, wanted: Wanted) -> list[tuple[str, str]]:
        """The rights that would do, each with what it is for: one's own renewal first."""
        ways = [("nodeclient", "kubelet client")]
        if wanted.name == request.spec.username:
            ways.insert(0, ("selfnodeclient", "self kubelet client"))
        return ways

    async def _serving(self, key: Key, request: SigningRequest, wanted: Wanted) -> Requeue | None:
        """Only for itself, under its own name, at addresses that no older node reports and a node may have."""
        if request.spec.username != wanted.name or not await self._may(request, "selfnodeserver"):
            return None
        name = wanted.name.removeprefix(NODE_PREFIX)
        may_have = self._may_have
        if owns(name, wanted, self.cache(Node).values()) and all(may_have.node(ip) for ip in wanted.ips):
            await self._approve(
                key, request, "Auto approving kubelet serving certificate: its names are the node's own."
            )
            return None
        waited = (self.clock.now() - created(request)).total_seconds()
        return Requeue(SERVING_WAITS) if waited < GIVES_UP_AFTER else None

    @property
    def _may_have(self) -> Ranges:
        others = (self.service_cidr, self.pod_cidr, self.load_balancer_pool)
        return Ranges(split(self.node_cidr), [each for ranges in others for each in split(ranges)])

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
        await self._decide(key, request, "Approved", "AutoApproved", message)

    async def _decide(self, key: Key, request: SigningRequest, verdict: str, reason: str, message: str) -> None:
        condition = {"type": verdict, "status": "True", "reason": reason, "message": message}
        patch = {
            "metadata": {"resourceVersion": request.metadata.resourceVersion},
            "status": {"conditions": [condition]},
        }
        await self.client.patch(kinds.CERTIFICATE_SIGNING_REQUEST, key, patch, subresource="approval")


def owns(name: str, wanted: Wanted, nodes: list[Node]) -> bool:
    """Whether every name wanted is the node's name, and every address one that it reports and only younger nodes do.

    Those take nothing away: else any node could keep any other from its certificate.
    """
    reporters: dict[str, list[tuple[str, str]]] = {}
    for node in nodes:
        for ip in {_normal(address.address) for address in node.status.addresses}:
            reporters.setdefault(ip, []).append((node.metadata.creationTimestamp or "", node.metadata.name))

    def first(ip: str) -> str:
        """Who has reported it longest; nobody where two have come in one second."""
        told = sorted(reporters.get(_normal(ip), ()))
        return told[0][1] if told and told[0][0] not in (since for since, _ in told[1:]) else ""

    exists = any(node.metadata.name == name for node in nodes)
    return exists and set(wanted.dns) <= {name} and all(first(ip) == name for ip in wanted.ips)


class Ranges:
    """Which addresses may be a node's. It reports them itself, so what it reports says nothing."""

    def __init__(self, nodes: Iterable[str], others: Iterable[str]) -> None:
        self._nodes = [addresses.network(each) for each in nodes]
        self._others = [addresses.network(each) for each in others]

    def node(self, text: str) -> bool:
        """In the nodes' ranges if these are known, in no others', and an address at which a machine can be found."""
        address = addresses.parse(text)
        if addresses.special(address) or any(address in each for each in self._others):
            return False
        return not self._nodes or any(address in each for each in self._nodes)


def _normal(text: str) -> str:
    try:
        return str(addresses.parse(text))
    except ValueError:
        return text
