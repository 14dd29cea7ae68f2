"""Health, version and other paths that are no resources."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from longboat import __version__
from longboat.apiserver.media import JSON
from longboat.apiserver.request import Request, Response
from longboat.apiserver.router import check_accept, no_page, only_get
from longboat.machinery import build

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""None while all is well, else what is wrong."""

GIT_VERSION = f"v1.36.0+longboat.{__version__}"

_BUILD = build.info(GIT_VERSION)
VERSION = msgspec.json.format(
    msgspec.json.encode(
        {
            "major": _BUILD["major"],
            "minor": _BUILD["minor"],
            "emulationMajor": "1",
            "emulationMinor": "36",
            "minCompatibilityMajor": "1",
            "minCompatibilityMinor": "35",
            "gitVersion": GIT_VERSION,
            "gitCommit": _BUILD["git_commit"],
            "gitTreeState": _BUILD["git_tree_state"],
            "buildDate": _BUILD["build_date"],
            "goVersion": _BUILD["go_version"],
            "compiler": _BUILD["compiler"],
            "platform": _BUILD["platform"],
        }
    ),
    indent=2,
)


async def version(request: Request) -> Response:
    """Raises StatusError 405, 406."""
    only_get(request)
    check_accept(request.headers.get("accept") or JSON, (JSON,))
    return Response(200, VERSION)


class Health:
    """/livez, /readyz and /healthz: each a list of named checks, also asked one by one."""

    def __init__(self, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._checks = {"livez": live, "readyz": ready, "healthz": live}

    def paths(self) -> list[str]:
        """Of all checks, alone and together."""
        return [f"/{each}{part}" for each, names in self._checks.items() for part in ("", *(f"/{n}" for n in names))]

    async def handle(self, request: Request) -> Response:
        """No page for a check there is not."""
        _, endpoint, *rest = request.path.rstrip("/").split("/")
        checks = self._checks[endpoint]
        if single := "/".join(rest):
            if single not in checks:
                return no_page()
            checks = {single: checks[single]}
        excluded = set(request.query.get("exclude", ()))
        results = {name: None if name in excluded else await check() for name, check in checks.items()}
        failed = [name for name, problem in results.items() if problem]
        if failed:
            log.warning("%s: %s", request.path, "; ".join(f"{name}: {results[name]}" for name in failed))
        if not failed and "verbose" not in request.query:
            return Response(200, b"ok", "text/plain; charset=utf-8", {"X-Content-Type-Options": "nosniff"})
        lines = [
            f"[+]{name} excluded: ok" if name in excluded
            else f"[-]{name} failed: reason withheld" if problem
            else f"[+]{name} ok"
            for name, problem in results.items()
        ]  # fmt: skip
        lines.append(f"{endpoint} check {'failed' if failed else 'passed'}")
        body = ("\n".join(lines) + "\n").encode()
        return Response(500 if failed else 200, body, "text/plain; charset=utf-8")
