"""Rules in CEL (x-kubernetes-validations), where schemas have them: the seam for what compiles and runs them.

Until there is a compiler, a schema with rules is refused: rules that nobody checks would be a promise that is not kept.
"""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object

VALIDATIONS = "x-kubernetes-validations"
UNCHECKED = "rules in CEL are not checked by this server, which therefore refuses schemas that have any"


def check(schema: Object, path: Path, err: Errors) -> None:
    """Complain of one schema's own rules, not of those of schemas within it."""
    if schema.get(VALIDATIONS):
        err.forbidden(path.at(VALIDATIONS), UNCHECKED)
