"""ConversionReview (apiextensions.k8s.io): what a webhook is sent, and what its answer has to be. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from longboat.apiserver.admission.webhooks import answers
from longboat.machinery import configfile
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import ANY, SCALARS, List
from longboat.machinery.types.wording import Mistake

GROUP, KIND = "apiextensions.k8s.io", "ConversionReview"
_STRING = SCALARS["string"]
_ANSWER = configfile.struct(
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ConversionReview",
    kind=_STRING,
    apiVersion=_STRING,
    response=configfile.struct(
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ConversionResponse",
        uid=_STRING,
        convertedObjects=List(ANY),
        result=ANY,
    ),
)


class _Response(msgspec.Struct):
    uid: str = ""
    convertedObjects: list[msgspec.Raw] | None = None
    result: dict[str, Any] | None = None


class _Review(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""
    response: _Response | None = None


_decode = msgspec.json.Decoder(_Review).decode


def request(objects: Sequence[Object], to: str, uid: str, version: str) -> bytes:
    """The body of a review. `to`: the apiVersion that is asked for; `version`: of the review."""
    asked = {"uid": uid, "desiredAPIVersion": to, "objects": objects}
    empty: Object = {"uid": "", "convertedObjects": None, "result": {"metadata": {}}}  # upstream sends it along
    found = {"kind": KIND, "apiVersion": f"{GROUP}/{version}", "request": asked, "response": empty}
    return msgspec.json.encode(found)


def read(data: bytes, uid: str, version: str) -> list[bytes]:
    """The JSON of each converted object. Raises Mistake, in upstream's words."""
    try:
        review = _decode(data)
    except msgspec.DecodeError:
        found = answers.decoded(data, GROUP, version, KIND, _ANSWER)  # which says what is wrong with most of them
        review = msgspec.convert(found, _Review)
    else:
        if (review.apiVersion, review.kind) != (f"{GROUP}/{version}", KIND):
            answers.decoded(data, GROUP, version, KIND, _ANSWER)
    response = review.response
    if version != "v1beta1":  # of which upstream has never asked as much
        group, _, said = review.apiVersion.rpartition("/")
        if (group, said, review.kind) != (GROUP, version, KIND):
            expected = f"expected webhook response of {GROUP}/{version}, Kind={KIND}"
            raise Mistake(f"{expected}, got {group}/{said}, Kind={review.kind}")
    if response is None:
        raise Mistake("no response provided")
    if version != "v1beta1" and response.uid != uid:
        raise Mistake(f'expected response.uid="{uid}", got "{response.uid}"')
    result = response.result or {}
    if result.get("status") != "Success":
        raise Mistake(
            result.get("message") or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        )
    return [bytes(each) for each in response.convertedObjects or ()]
