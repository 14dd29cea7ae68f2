"""POST of a Binding: the scheduler's word on where a pod runs."""

from __future__ import annotations

from longboat.api import kinds
from longboat.apiserver.endpoint import Endpoint, attributes_of, read_object, write_of
from longboat.apiserver.request import Request, Response
from longboat.machinery import errors
from longboat.machinery.errors import invalid
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta, timestamp
from longboat.registry import preconditions
from longboat.registry.admission import admit

_SUCCESS = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}'


async def bind(endpoint: Endpoint, request: Request) -> Response:
    """Sets spec.nodeName and the PodScheduled condition in one write. Raises StatusError 404, 409, 422.

    Admission judges the Binding; what it does to the pod is ours.
    """
    write = write_of(endpoint, request)
    binding = await read_object(request, kinds.BINDING, endpoint.schema)
    name = request.info.name or meta(binding).get("name") or ""
    await admit(endpoint.admission, attributes_of(request, write, "CREATE", binding, name))
    node, given = _target(binding, name), meta(binding)
    key = endpoint.store.key(request.info.namespace, name)

    def assign(old: Object) -> Object:
        found = meta(old)
        meant = {"uid": given.get("uid") or "", "version": given.get("resourceVersion") or ""}
        preconditions.check_stored(endpoint.kind, name, key, found, **meant)
        if found.get("deletionTimestamp"):
            raise errors.conflict(kinds.BINDING, name, f"pod {name} is being deleted, cannot be assigned to a host")
        if taken := dig(old, "spec", "nodeName"):
            raise errors.conflict(kinds.BINDING, name, f'pod {name} is already assigned to node "{taken}"')
        if dig(old, "spec", "schedulingGates"):
            raise errors.conflict(kinds.BINDING, name, f"pod {name} has non-empty .spec.schedulingGates")
        notes = {**(found.get("annotations") or {}), **(given.get("annotations") or {})}
        new_meta = {**found, "annotations": notes} if notes else dict(found)
        if given.get("labels"):  # what the pod has it keeps (KEP-4742)
            new_meta["labels"] = {**given["labels"], **(found.get("labels") or {})}
        status = dict(old.get("status") or {})
        others = [c for c in status.get("conditions") or [] if c.get("type") != "PodScheduled"]
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastTransitionTime": timestamp(endpoint.clock.now()),
        }
        status["conditions"] = [*others, scheduled]
        return {**old, "metadata": new_meta, "spec": {**old["spec"], "nodeName": node}, "status": status}

    write.subresource, write.manager = "binding", None  # what a scheduler decides is nobody's, as upstream
    await endpoint.store.update(request.info.namespace, name, assign, write, retry=True)
    return Response(201, _SUCCESS)


def _target(binding: Object, name: str) -> str:
    """The node the binding names. Raises StatusError 422."""
    err = Errors()
    target = binding.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        err.not_supported(Path("target", "kind"), target["kind"], ["Node", "<empty>"], as_given=True)
    if not target.get("name"):
        err.required(Path("target", "name"))
    if err:
        raise invalid(kinds.BINDING, name, err)
    found: str = target["name"]
    return found
