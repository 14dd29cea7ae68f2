"""Lists of objects that annotations hold as JSON: what stood there before it had a field."""

from __future__ import annotations

from longboat.machinery.objects import Object
from longboat.machinery.text import Malformed, decode_json
from longboat.machinery.types import check
from longboat.machinery.types.schema import load
from longboat.machinery.types.shapes import SCALARS
from longboat.machinery.types.wording import Mistake, described

CORE = "io.k8s.api.core.v1."
UNREADABLE = (Malformed, Mistake)  # what the readers here raise; the message is upstream's


def listed(text: str, name: str) -> list[Object]:
    """A list of a core kind's parts ("Taint"). Raises Malformed, Mistake."""
    found = decode_json(text.encode())
    if found is None:
        return []
    if not isinstance(found, list):
        raise _mistake(found, f"value of type []core.{name}")
    shape = load().definition(f"{CORE}{name}")
    return [{} if each is None else check.struct(shape, each) for each in found]


def avoided(text: str) -> list[Object]:
    """The `podSignature` of each entry of an AvoidPods, which is in no schema. Raises Malformed, Mistake."""
    found = _object(decode_json(text.encode()), "value of type v1.AvoidPods")
    entries, field = found.get("preferAvoidPods"), "struct field AvoidPods.preferAvoidPods of type"
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise _mistake(entries, f"{field} []v1.PreferAvoidPodsEntry")
    return [_signature(_object(entry, f"{field} v1.PreferAvoidPodsEntry")) for entry in entries]


def _signature(entry: Object) -> Object:
    at = "preferAvoidPods.podSignature"
    found = _object(entry.get("podSignature"), f"struct field PreferAvoidPodsEntry.{at} of type v1.PodSignature")
    if (reference := found.get("podController")) is None:
        return {}
    owner = load().definition("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference")
    return {"podController": check.struct(owner, reference, f"{at}.podController")}


def _object(found: object, wanted: str) -> Object:
    if found is not None and not isinstance(found, dict):
        raise _mistake(found, wanted)
    return found or {}


def _mistake(found: object, wanted: str) -> Mistake:
    return Mistake(f"json: cannot unmarshal {described(found, SCALARS['string'])} into Go {wanted}")
