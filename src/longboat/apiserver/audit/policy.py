"""Which requests are recorded, and how long a URI may be in the record. Pure. `docs/audit.md` tells it to people.

As upstream's reference policies have it: everything but ordinary reads and heartbeats, at level Metadata, without the
stage RequestReceived.
"""

from __future__ import annotations

from longboat.apiserver.request import Request

SILENT_PATHS = ("/healthz", "/livez", "/readyz", "/metrics", "/version", "/api", "/apis", "/openapi")
READS = frozenset(("get", "list", "watch"))
CONFIDENTIAL = frozenset(("secrets",))  # whose reads are recorded
REFUSED = frozenset((401, 403))


def recorded(request: Request, code: int) -> bool:
    """`code` is the answer's. Whatever was refused or failed is recorded, whoever asked for whatever."""
    if code in REFUSED or code >= 500:
        return True
    info = request.info
    if not info.is_resource:
        return request.method not in ("GET", "HEAD") or not request.path.startswith(SILENT_PATHS)
    if request.part is not None and request.part.long_running:
        return True  # what is said in a pod or a node, or what it says
    if info.verb in READS:
        return info.resource in CONFIDENTIAL and not info.group
    if info.resource == "events":
        return False  # each is a record itself
    return info.resource != "leases" or info.verb not in ("update", "patch")  # heartbeats


def whole_uri(request: Request, code: int) -> bool:
    """What is run in a container stands in the URI: it cannot be hidden behind a long one."""
    return code < 400 and request.part is not None and bool(request.part.connects)


def confidential_query(request: Request) -> bool:
    """Queries passed on to a program in a pod are that program's own, and may carry its passwords and tokens."""
    return request.info.subresource == "proxy" and request.info.resource in ("pods", "services")
