"""The objects of priority and fairness that are made, and kept: those that must be as they are, and those that an
administrator may take over."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Mapping

import msgspec

from longboat.api import kinds
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds.flowcontrol import mandatory, suggested
from longboat.registry.kinds.flowcontrol.suggested import AUTOUPDATE
from longboat.registry.store import Store
from longboat.registry.write import Write

PRODUCER = "api-priority-and-fairness-config-producer-v1"  # as upstream calls who makes its objects

_decode = msgspec.json.decode


async def settle_flow_control(stores: Mapping[Kind, Store]) -> None:
    """Make what is missing, and bring up to date what nobody has taken over. Raises StatusError.

    Who wants a spec of their own says so by `apf.kubernetes.io/autoupdate-spec: "false"`; without the annotation it is
    theirs once they have changed it. What is mandatory is nobody's, but for the shares of the exempt level.
    """
    work: list[Awaitable[None]] = []
    for kind, fixed, offered in (
        (kinds.PRIORITY_LEVEL_CONFIGURATION, mandatory.LEVELS, suggested.LEVELS),
        (kinds.FLOW_SCHEMA, mandatory.SCHEMAS, suggested.SCHEMAS),
    ):
        for name, spec in (fixed | offered).items():
            work.append(_one(stores[kind], name, spec, must=name in fixed))
    for outcome in await asyncio.gather(*work, return_exceptions=True):  # so that their writes share commits
        if isinstance(outcome, BaseException):
            raise outcome


async def _one(store: Store, name: str, spec: Object, *, must: bool) -> None:
    kind, entry = store.kind, store.find("", name)
    if entry is None:
        made = {
            "kind": kind.name,
            "apiVersion": kind.api_version,
            "metadata": {"name": name, "annotations": {AUTOUPDATE: "true"}},
            "spec": copy.deepcopy(spec),
        }
        try:
            await store.create(made, "", Write(manager=PRODUCER))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        return
    if _settled(_decode(entry.body), kind, spec, must=must):
        return

    def replaced(old: Object) -> Object:
        if _settled(old, kind, spec, must=must):
            return old
        noted = {**(dig(old, "metadata", "annotations") or {}), AUTOUPDATE: "true"}
        return {**old, "metadata": {**old["metadata"], "annotations": noted}, "spec": copy.deepcopy(spec)}

    try:
        await store.update("", name, replaced, Write(manager=PRODUCER), retry=True)
    except StatusError as error:
        if error.code != 404:  # deleted meanwhile: that is seen, too
            raise


def _settled(found: Object, kind: Kind, spec: Object, *, must: bool) -> bool:
    """Whether it is as it should be, or somebody's own."""
    noted = dig(found, "metadata", "annotations", AUTOUPDATE)
    untouched = noted is None and dig(found, "metadata", "generation") == 1
    if kind == kinds.PRIORITY_LEVEL_CONFIGURATION and dig(found, "metadata", "name") == mandatory.EXEMPT:
        return True
    if must:
        return bool(found.get("spec") == spec and noted == "true")
    return not (noted == "true" or untouched) or found.get("spec") == spec
