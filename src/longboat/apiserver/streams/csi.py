"""`POST /api/v1/nodes/{node}/csi/{driver}/{Rpc}`: calls of a node's CSI drivers, for the csi-controller alone.

They make and delete anybody's volumes, so they have nothing to do with nodes/proxy, and the wildcards in the roles of
administrators do not reach them: they come in under one name, and go to the node under another that is for them only.
"""

from __future__ import annotations

from urllib.parse import quote

from longboat.api import kinds
from longboat.api.storage import CSI_CONTROLLER
from longboat.apiserver.endpoint import MAX_BODY
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams import relay
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.apiserver.streams.pods import Lookup
from longboat.machinery.errors import forbidden, method_not_allowed, not_found, path_not_found


class DriverCalls:
    """Handler of nodes/csi. `nodes` connects with the certificate of `longboat.api.storage.CSI_CALLER`."""

    def __init__(self, lookup: Lookup, nodes: NodeConnections) -> None:
        self._lookup, self._nodes = lookup, nodes

    async def __call__(self, request: Request) -> Response:
        """Raises StatusError."""
        name, driver, rpc = asked(request)
        node = self._lookup(kinds.NODE, "", name)
        if node is None:
            raise not_found(kinds.NODE, name)
        body = await request.read_body(MAX_BODY)
        target = f"/csi/{quote(driver, safe='')}/{quote(rpc, safe='')}"
        return await relay.forward(request, await self._nodes.open(node), name, target, body)


def asked(request: Request) -> tuple[str, str, str]:
    """Node, driver and procedure. Raises StatusError where the requester is anybody else, or the path no call."""
    info, user = request.info, request.user
    if user is None or user.name != CSI_CONTROLLER:
        raise forbidden(kinds.NODE, info.name, f"only {CSI_CONTROLLER} calls the drivers of nodes")
    if len(info.parts) != 5:
        raise path_not_found()
    if request.method != "POST":
        raise method_not_allowed()
    return info.name, info.parts[3], info.parts[4]
