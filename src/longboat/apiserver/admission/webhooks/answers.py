"""Reading what a webhook answers, as upstream's client for webhooks does: of whatever kind of review. No I/O."""

from __future__ import annotations

import msgspec

from longboat.machinery.objects import Object
from longboat.machinery.types import check
from longboat.machinery.types.shapes import Struct
from longboat.machinery.types.wording import Mistake

_SCHEME = 'in scheme "pkg/util/webhook/client.go:71"'


def decoded(data: bytes, group: str, version: str, kind: str, struct: Struct) -> Object:
    """A review of this version, kind and form. Raises Mistake, in upstream's words."""
    try:
        review = msgspec.json.decode(data)
    except msgspec.DecodeError:
        review = ""  # upstream takes what is no JSON for YAML, of which every text is some
    if not isinstance(review, dict):
        got = "array" if isinstance(review, list) else "string"
        raise Mistake(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {got} into "
            'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string '
            '"json:\\"kind,omitempty\\"" }'
        )
    given, said = review.get("apiVersion"), review.get("kind")
    if said and given and said != kind:
        raise Mistake(f'no kind "{said}" is registered for version "{given}" {_SCHEME}')
    if said == kind and given and given != f"{group}/{version}" and str(given).startswith(f"{group}/"):
        raise Mistake(f"converting ({given.partition('/')[2]}.{kind}) to ({version}.{kind}): unknown conversion")
    return check.struct(struct, review)
