"""ServiceAccount: who a pod is to the API."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.subresource import Subresource
from longboat.machinery.table import AGE, Column
from longboat.registry.strategy import WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy


class ServiceAccount(Strategy):
    kind = kinds.SERVICE_ACCOUNT
    columns = (
        Column("Secrets", str, lambda account: len(account.get("secrets") or ()),
               description="How many secrets its pods may use."),
        AGE,
    )  # fmt: skip
    generation = False
    update_order = (*WHOLE_METADATA_CHANGE, *WHOLE_METADATA)
    returns_deleted = True
    subresources = (Subresource("token", ("create",), kinds.TOKEN_REQUEST),)
