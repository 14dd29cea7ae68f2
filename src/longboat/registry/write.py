"""One write: who does what, and how. The one record that handlers, store, strategies and admission share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

from longboat.aio.bench import HERE, Seat
from longboat.machinery.objects import Object
from longboat.machinery.user import User

OWN = "kube-apiserver"  # whose fields the server's own writes are, as upstream's
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Write:
    """Without a user it is the server's own.

    `options`: as the client has given them (meta.k8s.io CreateOptions and its like). `operation` and `now` are the
    store's to set; what is asked of it says the operation.
    """

    user: User | None = None
    operation: str = ""  # CREATE UPDATE DELETE CONNECT
    manager: str | None = OWN  # who owns what it changes, in managedFields; None: who owns what stays as it was
    applies: bool = False  # it settles itself who owns what
    subresource: str = ""  # "", "status", "binding", "resize", …
    dry_run: bool = False
    collection: bool = False  # it is about whatever is in a collection: admission is told no name
    options: Object = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # of the request's audit event
    now: datetime = NEVER
    seat: Seat = HERE  # where work is done that would hold the loop
    until: float = math.inf  # when its request has taken too long, on the clock's monotonic scale
