"""AdmissionReview (admission.k8s.io): what a webhook is sent, and what its answer has to be. No I/O."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import msgspec

from longboat.apiserver.admission.asked import options_of
from longboat.apiserver.admission.views import Views, described
from longboat.apiserver.admission.webhooks import answers
from longboat.apiserver.admission.webhooks.hooks import Hook
from longboat.machinery import configfile, text
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import ANY, SCALARS, List, Map
from longboat.machinery.types.wording import Mistake

GROUP, KIND = "admission.k8s.io", "AdmissionReview"
_STRING = SCALARS["string"]
_ANSWER = configfile.struct(
    "io.k8s.api.admission.v1.AdmissionReview",
    kind=_STRING,
    apiVersion=_STRING,
    response=configfile.struct(
        "io.k8s.api.admission.v1.AdmissionResponse",
        uid=_STRING,
        allowed=SCALARS["boolean"],
        status=ANY,
        patch=_STRING,
        patchType=_STRING,
        auditAnnotations=Map(_STRING),
        warnings=List(_STRING),
    ),
)


class Unanswered(Exception):
    """The webhook could not be asked, or its answer says nothing. The message is upstream's; `code` is that of the
    answer where it was not 2xx."""

    def __init__(self, message: str, code: int = 503) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    allowed: bool
    status: Object
    patch: list[Any] | None
    patch_type: str
    annotations: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def request(views: Views, hook: Hook, resource: Kind, uid: str) -> bytes:
    """The body of the review, for a webhook that is asked about it as this resource. Raises StatusError where the
    object has no form in that version."""
    attributes, pair = views.attributes, views.pair(resource)
    found: Object = {
        "uid": uid,
        **described(attributes, resource),
        "object": None if pair.obj is None else msgspec.Raw(pair.obj),
        "oldObject": None if pair.old is None else msgspec.Raw(pair.old),
        "dryRun": attributes.dry_run,
        "options": options_of(attributes),
    }
    return msgspec.json.encode({"kind": KIND, "apiVersion": f"{GROUP}/{hook.review_version}", "request": found})


def read(data: bytes, hook: Hook, uid: str, mutating: bool) -> Answer:
    """Raises Unanswered."""
    review, version = _decoded(data, hook), hook.review_version
    found = review.get("response")
    if found is None:
        raise Unanswered("received invalid webhook response: webhook response was absent")
    group, _, said = (review.get("apiVersion") or "").rpartition("/")
    if (group, said, review.get("kind") or "") != (GROUP, version, KIND):
        got = f"{group}/{said}, Kind={review.get('kind') or ''}"
        raise Unanswered(
            f"received invalid webhook response: expected webhook response of {GROUP}/{version}, Kind={KIND}, got {got}"
        )
    if (got := found.get("uid") or "") != uid:
        raise Unanswered(f'received invalid webhook response: expected response.uid="{uid}", got "{got}"')
    status = found.get("status")
    return Answer(
        bool(found.get("allowed")),
        status if isinstance(status, dict) else {},
        _patch(found, version, mutating),
        found.get("patchType") or ("JSONPatch" if version == "v1beta1" else ""),
        found.get("auditAnnotations") or {},
        found.get("warnings") or [],
    )


def _decoded(data: bytes, hook: Hook) -> Object:
    try:
        return answers.decoded(data, GROUP, hook.review_version, KIND, _ANSWER)
    except Mistake as error:
        raise Unanswered(f"failed to call webhook: {error}") from None


def _patch(found: Object, version: str, mutating: bool) -> list[Any] | None:
    """Raises Unanswered. Version v1beta1 said nothing of patches where they do not belong, nor what they are."""
    patch, kind = found.get("patch"), found.get("patchType")
    wrong = ""
    if version != "v1beta1":
        if not mutating and (patch or kind):
            wrong = f"validating webhook may not return response.{'patch' if patch else 'patchType'}"
        elif patch and not kind:
            wrong = "webhook returned response.patch but not response.patchType"
        elif kind and not patch:
            wrong = "webhook returned response.patchType but not response.patch"
    if wrong:
        raise Unanswered(f"received invalid webhook response: {wrong}")
    if not mutating:
        return None
    if not patch or not found.get("allowed"):
        return None
    try:
        operations = text.decode_json(base64.b64decode(patch, validate=True))
    except (binascii.Error, text.Malformed) as error:
        raise Unanswered(f"received undecodable patch in webhook response: {error}") from None
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise Unanswered(
            "received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type "
            "jsonpatch.Patch"
        )
    return operations


def denied(hook: Hook, status: Object) -> StatusError:
    """What the client is told of a refusal."""
    by = f'admission webhook "{hook.name}" denied the request'
    why = status.get("message") or status.get("reason")
    error = StatusError.parse({**status, "message": f"{by}: {why}" if why else f"{by} without explanation"})
    code = status.get("code")
    error.code = code if isinstance(code, int) and 400 <= code < 600 else 400
    return error
