"""What the network's parts may read, put together: they act under one identity on each node.

Each says what it needs beside the views of what it reads. Services, endpoints and nodes, which nearly all of them read,
come by upstream's `system:node-proxier`.
"""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api.rights import Rights, together
from longboat.network import views
from longboat.network.ingress import views as ingress
from longboat.network.policy import views as policy

# Upstream's role lists and watches; a reflector here may ask for one object too.
ONE = "get: endpoints services\nget: networking/servicecidrs\nget: discovery/endpointslices"
ROLE = GROUP = "system:longboat:network"


def declared() -> Iterator[Rights]:
    lines = together((ONE, policy.RIGHTS, ingress.RIGHTS, views.RIGHTS))
    yield Rights(role=ROLE, subject=f"group:{GROUP}", lines=lines)
