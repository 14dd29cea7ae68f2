"""What etcd's refusals and silences mean, and what to do about them, in words."""

from __future__ import annotations

import grpc
import grpc.aio

Code = grpc.StatusCode

# What the details of an error contain (etcd: api/v3rpc/rpctypes/error.go): what it is, and what helps.
REMEDIES = {
    "database space exceeded": "etcd is out of space (alarm NOSPACE) and takes no writes. Compact and defragment it, or"
    " raise its quota, then: etcdctl alarm disarm",
    "corrupt cluster": "etcd's members disagree about what is stored (alarm CORRUPT): restore it from a snapshot",
    "request is too large": "the object is larger than etcd takes in one request (its --max-request-bytes)",
    "grpc: received message larger": "the object is larger than etcd takes in one request (its --max-request-bytes)",
    "too many requests": "etcd is overloaded",
    "no leader": "etcd has no leader: most of its members are down, or cannot reach each other",
    "request timed out": "etcd did not reach most of its members in time",
    "user name is empty": "etcd wants to know who asks: give --store-cert and --store-key",
    "permission denied": "etcd does not let this client do that: check the roles of the user in --store-cert",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not one that --store-ca vouches for",
    "WRONG_VERSION_NUMBER": "it does not speak TLS: leave out --store-ca, --store-cert and --store-key",
    "CERTIFICATE_REQUIRED": "it wants a client's certificate: give --store-cert and --store-key",
    "BAD_CERTIFICATE": "it does not accept the certificate in --store-cert",
    "TSI_DATA_CORRUPTED": "it ended the TLS session: it wants a client's certificate, of an authority that it knows"
    " (--store-cert and --store-key)",
    "Connection refused": "nothing listens there",
}
SILENT = frozenset((Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED))


def explain(error: grpc.aio.AioRpcError) -> str:
    """A sentence without an end: what the matter is."""
    details = error.details() or ""
    for sign, meaning in REMEDIES.items():
        if sign in details:
            return meaning
    if "failed to connect" in details and "Socket closed" in details:
        return "it closed the connection at once: if it speaks TLS, give --store-ca"
    if error.code() is Code.DEADLINE_EXCEEDED:
        return "it did not answer in time"
    if error.code() is Code.UNAVAILABLE:
        return f"it cannot be reached ({details})"
    return f"it says {error.code().name}: {details}"


def elsewhere(error: grpc.aio.AioRpcError) -> bool:
    """Another member may know better: this one is away, or cut off from the others."""
    return error.code() in SILENT


def untouched(error: grpc.aio.AioRpcError) -> bool:
    """A write that failed so has certainly not been carried out. Any other silence leaves its outcome open."""
    return error.code() not in SILENT or (error.details() or "").startswith("etcdserver: no leader")


def compacted(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is Code.OUT_OF_RANGE and "has been compacted" in (error.details() or "")


def future(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is Code.OUT_OF_RANGE and "future revision" in (error.details() or "")


def too_large(error: grpc.aio.AioRpcError) -> bool:
    """An answer larger than we take in one piece."""
    return error.code() is Code.RESOURCE_EXHAUSTED and "CLIENT: Received message larger" in (error.details() or "")


def lease_gone(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is Code.NOT_FOUND and "lease not found" in (error.details() or "")
