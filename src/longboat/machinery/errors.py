"""API errors: one exception that is a metav1.Status, and a constructor for each reason the API knows.

Reasons, codes and wording are upstream's (apimachinery, api/errors); clients branch on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

if TYPE_CHECKING:
    from longboat.machinery.fieldpath import Cause, Errors


class StatusError(Exception):
    """An error the client is told: carries the whole Status object."""

    def __init__(
        self, code: int, reason: str, message: str, details: Object | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: Object = {} if details is None else details
        self._told = details is not None  # details are sent though they are empty
        if retry_after is not None:
            self.details["retryAfterSeconds"] = retry_after
        self.retry_after = retry_after
        self.list_meta: Object = {}

    def status(self) -> Object:
        """The metav1.Status to send."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_meta,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        if not self.details and not self._told:
            del status["details"]
        if not self.reason:
            del status["reason"]
        return status

    @classmethod
    def parse(cls, status: Object, code: int = 500) -> StatusError:
        """The error a received Status stands for. A code that is a word is another protocol's, and as good a reason."""
        details, given = status.get("details"), status.get("code")
        return cls(
            given if isinstance(given, int) and given else code,
            status.get("reason") or (given if isinstance(given, str) else ""),
            status.get("message") or "",
            details,
            (details or {}).get("retryAfterSeconds"),
        )


def _details(kind: Kind, name: str, causes: list[Cause] | None = None, uid: str = "", by_kind: bool = False) -> Object:
    details: Object = {}
    if name:
        details["name"] = name
    if kind.group:
        details["group"] = kind.group
    if shown := kind.name if by_kind else kind.plural:
        details["kind"] = shown
    if uid:
        details["uid"] = uid
    if causes:
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return details


def not_found(kind: Kind, name: str) -> StatusError:
    return StatusError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def path_not_found() -> StatusError:
    """No such path, where resources are: what upstream's router says bears details, of nothing."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str, *, going: bool = False, generated: bool = False) -> StatusError:
    """`going`: what has the name is being deleted. `generated`: of a generateName, it may be another next time."""
    prefix = "object is being deleted: " if going else ""
    suffix = ", the server was not able to generate a unique name for the object" if generated else ""
    message = f'{prefix}{kind.resource} "{name}" already exists{suffix}'
    return StatusError(409, "AlreadyExists", message, _details(kind, name), 1 if generated else None)


def conflict(kind: Kind, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(kind, name))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def aggregate(errors: Errors) -> str:
    """Complaints in one line: one bare, several in brackets."""
    lines = list(dict.fromkeys(str(cause) for cause in errors))
    if errors.untold:
        lines.append(f"and {errors.untold} more" if errors.untold > 1 else "and more")  # one: it looked no further
    return lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"


def invalid(kind: Kind, name: str, errors: Errors) -> StatusError:
    """422: one message that joins the causes as upstream joins them (one bare, several in brackets)."""
    summary = aggregate(errors)
    qualified = f"{kind.name}.{kind.group}" if kind.group else kind.name
    message = f'{qualified} "{name}" is invalid: {summary}'
    return StatusError(422, "Invalid", message, _details(kind, name, list(errors), by_kind=True))


def forbidden(kind: Kind, name: str, why: str) -> StatusError:
    subject = f'{kind.resource} "{name}"' if name else kind.resource
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {why}", _details(kind, name))


def unfit() -> StatusError:
    """Of a patch that cannot be applied; upstream keeps to itself why."""
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, "Unauthorized", message)


def method_not_allowed() -> StatusError:
    """Of a path that is served, by the router."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def method_not_supported(kind: Kind, verb: str) -> StatusError:
    """Of a custom kind, which the router knows nothing of."""
    details = {"kind": kind.plural} | ({"group": kind.group} if kind.group else {})
    return StatusError(
        405, "MethodNotAllowed", f'{verb} is not supported on resources of kind "{kind.resource}"', details
    )


def not_acceptable(message: str, details: Object | None = None) -> StatusError:
    return StatusError(406, "NotAcceptable", message, details)


def unsupported_media_type(message: str, details: Object | None = None) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message, details)


def expired(message: str) -> StatusError:
    """410 for a resourceVersion or continue token that history no longer covers."""
    return StatusError(410, "Expired", message)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def too_many_requests(message: str, retry_after: int | None = 1) -> StatusError:
    return StatusError(429, "TooManyRequests", message, retry_after=retry_after)


def internal(why: str) -> StatusError:
    message = f"Internal error occurred: {why}"
    return StatusError(500, "InternalError", message, {"causes": [{"message": why}]})


def timeout(message: str) -> StatusError:
    return StatusError(504, "Timeout", message)


def unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message, retry_after=1)
