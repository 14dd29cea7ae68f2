"""The rights that components declare, for the API server's bootstrap to give them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from longboat.api.rights import Rights
from longboat.apiserver.authz import policy_controllers
from longboat.controllers import rights as controllers
from longboat.network import rights as network


def declared() -> tuple[Rights, ...]:
    """Of the controllers and of the network's parts, which may do no more: nodes and scheduler have upstream's own
    roles, and controllers that we have none of theirs.
    """
    own = tuple(_own())
    ours = {(each.namespace, each.role) for each in own}
    return (*(each for each in policy_controllers.rights() if (each.namespace, each.role) not in ours), *own)


def granted() -> tuple[Rights, ...]:
    """What a cluster gives: upstream's controllers what they need, whoever runs, and to ours what they need besides."""
    return (*policy_controllers.rights(), *_own())


def _own() -> Iterator[Rights]:
    for each in (*controllers.declared(), *network.declared()):
        yield msgspec.structs.replace(each, lines=_patching(each.lines))


def _patching(lines: str) -> str:
    """Patch wherever it has update: our components write by patch, which can do no more (0002)."""
    return "\n".join(
        f"patch {line.strip()}" if "update" in line.partition(":")[0].split() else line for line in lines.splitlines()
    )
