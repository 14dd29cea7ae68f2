"""The rights that components declare, for the API server's bootstrap to give them."""

from __future__ import annotations

from longboat.api.rights import Rights
from longboat.controllers import rights as controllers
from longboat.network import rights as network


def declared() -> tuple[Rights, ...]:
    """Of the controllers and of the network's parts: nodes and scheduler have upstream's own roles."""
    return (*controllers.declared(), *network.declared())
