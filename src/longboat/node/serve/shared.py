"""One port for the many nodes that one agent plays: the request's Host says which of them is meant."""

from __future__ import annotations

from longboat.node.serve.http import Answer, Handler, HttpError, Request


class SharedPort:
    """Call it with a request."""

    def __init__(self) -> None:
        self.number = 0  # once it is open
        self._nodes: dict[str, Handler] = {}

    def add(self, node: str, handler: Handler) -> None:
        self._nodes[node] = handler

    async def __call__(self, request: Request) -> Answer:
        """Raises HttpError."""
        handler = self._nodes.get(request.headers.get("host", ""))
        if handler is None:
            raise HttpError(404, "there is no such node here\n")
        return await handler(request)
