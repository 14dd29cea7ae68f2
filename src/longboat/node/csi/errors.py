"""Failures of calls to drivers, by gRPC's names of their codes."""

from __future__ import annotations

# After these nobody knows whether the driver is still at it (CSI specification, "Error Scheme"; kubelet's csi_client).
_UNDECIDED = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"))

HTTP = {
    "INVALID_ARGUMENT": 400, "OUT_OF_RANGE": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 409, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


class RpcFailure(Exception):
    """A call that a driver has refused, or that did not get through. `code` is gRPC's name: NOT_FOUND."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        shown = "Canceled" if code == "CANCELLED" else code.title().replace("_", "")
        super().__init__(f"rpc error: code = {shown} desc = {message}")

    @property
    def is_final(self) -> bool:
        """Whether the driver has certainly ended, and undone, what it was asked for."""
        return self.code not in _UNDECIDED

    @property
    def http_status(self) -> int:
        return HTTP.get(self.code, 500)
