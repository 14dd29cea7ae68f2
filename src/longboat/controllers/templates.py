"""Pod templates as the API server stores them. Two that say the same may differ where an older version stored one of
them: it kept some of what is empty, and wrote less of what always is. No workload rolls out anew for that."""

from __future__ import annotations

import msgspec

from longboat.api import kinds
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.machinery.types import schema


def settled(template: Object) -> Object:
    """The template as it would be stored today; one that does not fit its type stays as it is."""
    try:
        stored = schema.load().canonical(kinds.POD_TEMPLATE, {"template": template})
    except StatusError:
        return template
    found: Object = msgspec.json.decode(stored)["template"]
    return found
