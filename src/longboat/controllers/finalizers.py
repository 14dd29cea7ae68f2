"""Holding objects back from deletion, one finalizer at a time, whatever others hold them."""

from __future__ import annotations

from longboat.api.view import View
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object


async def hold(client: RestClient, obj: View, finalizer: str) -> None:
    """Raises StatusError."""
    if finalizer not in obj.metadata.finalizers:
        await _write(client, obj, {"finalizers": [finalizer]})


async def let_go(client: RestClient, obj: View, finalizer: str) -> None:
    """That the object is gone is as good. Raises StatusError."""
    try:
        await _write(client, obj, {"$deleteFromPrimitiveList/finalizers": [finalizer]})
    except StatusError as error:
        if error.code != 404:
            raise


async def _write(client: RestClient, obj: View, change: Object) -> None:
    patch = {"metadata": {"uid": obj.metadata.uid, **change}}
    await client.patch(obj.KIND, Key(obj.metadata.namespace, obj.metadata.name), patch, style="strategic")
