"""How large an object may be: what upstream's storage takes, counted as upstream would store it."""

from __future__ import annotations

from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import protobuf, protobuf_size
from longboat.machinery.types.schema import Schema

MAX_OBJECT = 1_572_864  # bytes (etcd, --max-request-bytes)
MAX_SENT = 2 << 20  # bytes that upstream's client of etcd sends at all (gRPC)


def counted(schema: Schema, kind: Kind, obj: Object, plain: bytes) -> int:
    """Bytes of an object as upstream would store it: protobuf, or JSON for kinds that have no protobuf encoding.

    `plain` is its JSON. What is too small to be too large is not counted, and 0.
    """
    if len(plain) <= MAX_OBJECT // protobuf_size.MOST_PER_JSON:
        return 0
    struct = schema.type(kind)
    if struct is None:
        return len(plain)
    try:
        return protobuf_size.size(struct, obj)
    except protobuf.Unknown:
        return len(plain)


def estimated(schema: Schema, kind: Kind, obj: Object) -> int:
    """The same before there is JSON: 0 for a kind that counts as JSON."""
    struct = schema.type(kind)
    try:
        return protobuf_size.size(struct, obj) if struct is not None else 0
    except protobuf.Unknown:
        return 0


def too_large(size: int) -> StatusError:
    """Upstream passes on what etcd, or its own client of it, says: a Status of code 500 without a reason."""
    if size > MAX_SENT:
        sent = f"trying to send message larger than max ({size} vs. {MAX_SENT})"
        return StatusError(500, "", f"rpc error: code = ResourceExhausted desc = {sent}")
    return StatusError(500, "", "etcdserver: request is too large")
