"""Who may speak for others, and how: the front proxy's authority, names and headers (authenticating proxy).

The same is told to extension servers, to which this server is the front proxy (`extension-apiserver-authentication`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from longboat.aio.clock import Clock
from longboat.apiserver.authn.certificates import Verifier, subject
from longboat.apiserver.authn.identity import Authenticator, Rejected, known
from longboat.apiserver.request import Request
from longboat.machinery.user import User


@dataclass(frozen=True)
class FrontProxy:
    """`authority`: a file; `names`: the common names that its certificates may have, none for any. Of the headers the
    first that is there says who; groups are those of all; `extra`: how headers begin that say more."""

    authority: Path
    names: Sequence[str] = ("front-proxy-client",)
    users: Sequence[str] = ("X-Remote-User",)
    uids: Sequence[str] = ("X-Remote-Uid",)
    groups: Sequence[str] = ("X-Remote-Group",)
    extra: Sequence[str] = ("X-Remote-Extra-",)

    def told(self) -> dict[str, str]:
        """As extension servers read it. Raises OSError."""
        return {
            "requestheader-client-ca-file": self.authority.read_text(),
            "requestheader-allowed-names": _listed(self.names),
            "requestheader-username-headers": _listed(self.users),
            "requestheader-uid-headers": _listed(self.uids),
            "requestheader-group-headers": _listed(self.groups),
            "requestheader-extra-headers-prefix": _listed(self.extra),
        }


def _listed(values: Sequence[str]) -> str:
    return json.dumps(list(values), separators=(",", ":"))


def front_proxy(given: FrontProxy, clock: Clock) -> Authenticator:
    """Believes what is said over a connection with a certificate of the authority. Raises OSError, ValueError."""
    verifier, allowed = Verifier(given.authority, clock), frozenset(given.names)
    users, uids, groups, prefixes = (
        tuple(name.lower() for name in names) for names in (given.users, given.uids, given.groups, given.extra)
    )

    async def identify(request: Request) -> User | None:
        der = request.peer_certificate
        if der is None or all(header not in request.headers for header in users):
            return None
        name = _said_once(request, users)
        if name == "":
            return None
        leaf = verifier.certificate(der)
        if leaf is None or (allowed and subject(leaf).name not in allowed):
            return None  # not the proxy: its headers count for nothing
        if name is None:
            raise Rejected("the front proxy names several users")
        extra: dict[str, tuple[str, ...]] = {}
        for header in request.headers:
            lower = header.lower()
            prefix = next((each for each in prefixes if lower.startswith(each)), None)
            if prefix is not None:
                extra[unquote(lower.removeprefix(prefix))] = tuple(request.header_values(header))
        uid = _said_once(request, uids)
        if uid is None:
            raise Rejected("the front proxy names several UIDs")
        return known(name, [each for header in groups for each in request.header_values(header)], uid, extra)

    return identify


def _said_once(request: Request, headers: Sequence[str]) -> str | None:
    """What the first header says that is there; "" where none is, None where it is there more than once: a client's own
    beside the proxy's, perhaps."""
    for header in headers:
        values = request.header_values(header)
        if len(values) > 1:
            return None
        if values and values[0]:
            return values[0]
    return ""
