"""ConversionReview (apiextensions.k8s.io): what a webhook is sent, and what its answer has to be. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from longboat.apiserver.admission.webhooks import answers
from longboat.machinery import configfile
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import ANY, SCALARS, List
from longboat.machinery.types.wording import Mistake, described

GROUP, KIND = "apiextensions.k8s.io", "ConversionReview"
_STRING, _RESULT = SCALARS["string"], "ConversionResponse.response.result"
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
        review = _lenient(answers.decoded(data, GROUP, version, KIND, _ANSWER))
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
    if (status := result.get("status")) != "Success":
        why = f"response.result.status was '{status or ''}', not 'Success'"
        raise Mistake(str(result.get("message") or "") or why)
    return [bytes(each) for each in response.convertedObjects or ()]


def _lenient(found: Object) -> _Review:
    """A review in which something is null, or of another type than it should be. Raises Mistake."""
    response: Object | None = found.get("response")
    if response is None:
        return _Review(found.get("kind") or "", found.get("apiVersion") or "")
    result = response.get("result")
    if result is not None and not isinstance(result, dict):
        got = described(result, ANY)
        raise Mistake(f"json: cannot unmarshal {got} into Go struct field {_RESULT} of type v1.Status")
    objects = [msgspec.Raw(msgspec.json.encode(each)) for each in response.get("convertedObjects") or ()]
    return _Review(
        found.get("kind") or "", found.get("apiVersion") or "", _Response(response.get("uid") or "", objects, result)
    )
